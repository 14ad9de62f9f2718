use std::time::Duration;

use super::*;

const PHC: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// Made with OpenSSL, libxcrypt and hashlib.
const SECRET: [&str; 15] = [
    "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
    "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
    "$5$saltstring$C3o4O1TC6aRHF4FI.QSZMXtHbaj2gSXr4sUc/3NcUi.",
    "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.",
    "$6$rounds=1500$saltsalt$34Syr0FSbWlp9hNFif0BNSVHRPxwiPh79DU920TQC0DoAPilRd9UG4mVZjASSDEENmIuJl1xJneHoAcjNgCp00",
    "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$y$j75$AbCdEfGhIjKlMnOp$dcu99HyNg3oJ2B2lPfQibsFWDCnMFUPuZ8KtywwKsd8",
    "$y$j9T$AbCdEfGhIjKlMnOp$xXOFrDSxS632qJKHH8hm66xFQ7nYzp634zH/liwFew8",
    "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$pLOAA.GWfQElzJMkN.JqzcItGXS.DsOZsBOX0fO4NDC",
    "$pbkdf2-sha1$1000$aSalt$Qj7tuuflRIXA9qzpVo7aV7PC+Sk=",
    "$pbkdf2-sha512$1000$aSalt$2e4Xu8MqRH3qak9dyaopGUIGgWzWlc1vBj8xT4bZIgLYV6xeJWnZ//ey72lmoCz7h5PXpOt6zr7fN7e538ta/Q==",
];

#[test]
fn every_format_accepts_the_right_password_and_no_other() {
    for hash in SECRET {
        assert!(matches(hash, b"secret"), "{hash}");
        for wrong in ["secreT", "secret ", "", "secre"] {
            assert!(!matches(hash, wrong.as_bytes()), "{hash} {wrong:?}");
        }
    }
    assert!(matches(PHC, b"password") && !matches(PHC, b"passworD"));
}

#[test]
fn the_salt_of_pbkdf2_is_taken_literally() {
    let hash = "$pbkdf2-sha256$150000$E86a9YMX3zC7$R5J62hsSq+pYw00hLLPKBbcGXmq7fj5+/M0IFoYtZbo=";
    assert!(matches(hash, b"password"));
}

#[test]
fn md5_crypt_handles_passwords_longer_than_its_digest() {
    assert!(matches(
        "$apr1$abcdefgh$5/4EDNVcnSspCAS2/9p2l1",
        b"a longer password than sixteen bytes"
    ));
}

#[test]
fn a_malformed_hash_never_matches() {
    for prefix in FORMATS.iter().chain(&OLD_FORMATS).map(|(prefix, _)| prefix) {
        for rest in [
            "",
            "$",
            "$$",
            "x",
            "10$x$y",
            "04$é",
            "rounds=1$a$b",
            "v=19$m=1$a$b",
            "999999999$a$AAAA",
        ] {
            for clear in ["", "x", "secret"] {
                assert!(!matches(&format!("{prefix}{rest}"), clear.as_bytes()), "{prefix}{rest}");
            }
        }
    }
    assert!(!matches("secret", b"secret"), "clear text in the store is no password");
}

#[test]
fn hashes_that_would_take_too_long_are_refused_at_once() {
    let started = std::time::Instant::now();
    for hash in [
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=4294967295,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$2a$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$6$rounds=999999999$saltsalt$34Syr0FSbWlp9hNFif0BNSVHRPxwiPh79DU920TQC0DoAPilRd9UG4mVZjASSDEENmIuJl1xJneHoAcjNgCp00",
        "$pbkdf2-sha1$4294967295$aSalt$Qj7tuuflRIXA9qzpVo7aV7PC+Sk=",
        "$y$jzT$AbCdEfGhIjKlMnOp$xXOFrDSxS632qJKHH8hm66xFQ7nYzp634zH/liwFew8",
        "$y$j9zzzzzz$AbCdEfGhIjKlMnOp$xXOFrDSxS632qJKHH8hm66xFQ7nYzp634zH/liwFew8",
    ] {
        assert!(!matches(hash, b"secret"), "{hash}");
        assert!(memory_of(hash) <= 1024, "{hash}");
    }
    assert!(!matches(SECRET[3], &[b'a'; 300_000]));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn only_hashes_with_a_known_prefix_are_stored_as_sent() {
    for hash in [PHC, SECRET[0], SECRET[1], SECRET[5], SECRET[6], SECRET[7], SECRET[11]] {
        assert!(is_hash(hash), "{hash}");
    }
    for clear in ["secret", "$2x$x", "$argon2i$x", "{SHA}x", "", "!", "!$6$x"] {
        assert!(!is_hash(clear), "{clear}");
    }
}

#[test]
fn a_yescrypt_hash_without_its_end_matches_nothing() {
    let (whole, _) = SECRET[9].rsplit_once('$').unwrap_or_default();
    for hash in ["$y$j75$AbCdEfGhIjKlMnOp$", "$y$j75$$", "$y$j75$AbCdEfGhIjKlMnOp$dcu99", whole] {
        assert!(!matches(hash, b"secret"), "{hash}");
    }
    assert_eq!((memory_of(SECRET[10]), memory_of(SECRET[11])), (1, 16));
}

#[tokio::test]
async fn a_new_hash_is_argon2id_and_verifies() {
    let clear = Secret::new("pass\0word with anything".to_owned());
    let hashed = hash(clear.clone()).await.unwrap();
    assert!(hashed.expose().starts_with("$argon2id$v=19$m=65536,t=3,p=2$"));
    assert!(verify(&hashed, &clear).await);
    assert!(!verify(&hashed, &Secret::new("other".to_owned())).await);
}

#[test]
fn the_decoy_costs_as_much_as_a_new_hash_and_matches_nothing() {
    assert_eq!(memory_of(DECOY), argon2::NEW_MEMORY_MIB);
    assert!(!matches(DECOY, b"secret"));
}
