//! Keyboard-interactive logins with shell scripts.

use ferryd_control_plane::DialogStep;

use super::*;

async fn bed(dialog: &str) -> Bed {
    let bed = Bed::new(Scripts { dialog, ..Scripts::default() }).await;
    bed.add(bob()).await;
    bed
}

impl Bed {
    /// Goes through a dialog with these answers, one list a step; returns the texts asked.
    async fn talk(&self, answers: &[&[&str]]) -> Result<Vec<String>, Fault> {
        let mut dialog = self.dialog("bob").await?;
        let mut asked = Vec::new();
        let mut answers = answers.iter();
        let mut given: Vec<Secret<String>> = Vec::new();
        loop {
            match dialog.next(given).await? {
                DialogStep::Accepted(outcome) => {
                    assert_eq!(outcome.account.password, Secret::default());
                    return Ok(asked);
                }
                DialogStep::Ask { instruction, prompts } => {
                    let mark = |echo| if echo { "+" } else { "-" };
                    let texts: Vec<_> =
                        prompts.iter().map(|p| format!("{}{}", p.text, mark(p.echo))).collect();
                    asked.push(format!("{instruction}: {}", texts.join(" ")));
                    let next = answers.next().copied().unwrap_or_default();
                    given = next.iter().map(|&answer| Secret::new(answer.to_owned())).collect();
                }
            }
        }
    }
}

const TWO_ROUNDS: &str = r#"
echo '{"questions":["Question1: ","Question2: "],"instruction":"a sample","echos":[true,false]}'
read ANSWER1
read ANSWER2
echo '{"questions":["Question3: "],"instruction":"","echos":[true]}'
read ANSWER3
printf '%s|%s|%s' "$ANSWER1" "$ANSWER2" "$ANSWER3" > "$D/answers"
if test "$ANSWER3" = "answer3"; then
	echo '{"auth_result":1}'
else
	echo '{"auth_result":-1}'
fi"#;

#[tokio::test]
async fn two_rounds_of_questions_are_answered_in_order() {
    let bed = bed(TWO_ROUNDS).await;
    let asked = bed.talk(&[&["one", "it's $two"], &["answer3"]]).await.unwrap();
    assert_eq!(asked, ["a sample: Question1: + Question2: -", ": Question3: +"]);
    assert_eq!(bed.file("answers"), "one|it's $two|answer3");
    assert_refused(bed.talk(&[&["one", "two"], &["wrong"]]).await, "refused the login");
}

const WITH_PASSWORD: &str = r#"
echo '{"questions":["Password: "],"instruction":"a sample","echos":[false],"check_password":1}'
read ANSWER1
printf '%s' "$ANSWER1" >> "$D/answers"
if test "$ANSWER1" != "OK"; then
  exit 1
fi
echo '{"questions":["One time token: "],"instruction":"","echos":[false]}'
read ANSWER2
if test "$ANSWER2" = "token"; then
	echo '{"auth_result":1}'
else
	echo '{"auth_result":-1}'
fi"#;

#[tokio::test]
async fn the_server_checks_the_password_and_the_program_never_sees_it() {
    let bed = bed(WITH_PASSWORD).await;
    let asked = bed.talk(&[&["secret"], &["token"]]).await.unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(bed.file("answers"), "OK");
    assert_refused(bed.talk(&[&["secret"], &["no token"]]).await, "refused the login");
    bed.write("answers", "");
    for wrong in ["wrong", "", "OK"] {
        assert!(bed.talk(&[&[wrong], &["token"]]).await.is_err(), "{wrong:?}");
    }
    assert_eq!(bed.file("answers"), "");
}

#[tokio::test]
async fn many_questions_and_many_rounds_are_fine() {
    let question = (0..12).map(|n| format!("\"q{n}\"")).collect::<Vec<_>>().join(",");
    let echos = ["true"; 12].join(",");
    let body = format!(
        r#"for ROUND in 1 2 3 4 5 6; do
echo '{{"questions":[{question}],"echos":[{echos}]}}'
for N in 1 2 3 4 5 6 7 8 9 10 11 12; do read A; [ "$A" = "a$N" ] || exit 1; done
done
echo '{{"auth_result":1}}'"#
    );
    let bed = bed(&body).await;
    let answers: Vec<String> = (1..=12).map(|n| format!("a{n}")).collect();
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let rounds = vec![answers.as_slice(); 6];
    assert_eq!(bed.talk(&rounds).await.unwrap().len(), 6);
}

#[tokio::test]
async fn questions_that_are_printed_at_once_are_asked_one_after_the_other() {
    let body = r#"
echo '{"questions":["first"],"echos":[true]}'
echo '{"questions":["second"],"echos":[true]}'
read A; read B
[ "$A$B" = "12" ] && echo '{"auth_result":1}'"#;
    let bed = bed(body).await;
    assert_eq!(bed.talk(&[&["1"], &["2"]]).await.unwrap(), [": first+", ": second+"]);
}

#[tokio::test]
async fn a_result_of_zero_goes_on_and_any_other_ends() {
    let go_on = r#"echo '{"auth_result":0}'; echo '{"auth_result":0,"questions":["q"],"echos":[true]}'
read A; echo '{"auth_result":1}'; echo 'never read'"#;
    assert_eq!(bed(go_on).await.talk(&[&["a"]]).await.unwrap(), [": q+"]);
    for result in [-1, 2, 100] {
        let body = format!("echo '{{\"auth_result\":{result}}}'; echo '{{\"auth_result\":1}}'");
        assert_refused(bed(&body).await.talk(&[]).await, "refused the login");
    }
}

#[tokio::test]
async fn programs_that_misbehave_are_refused() {
    for (body, reason) in [
        ("exit 0", "without a result"),
        ("exit 1", "without a result"),
        ("echo nonsense", "no JSON"),
        ("echo '[]'", "no JSON"),
        ("echo", "no JSON"),
        (
            r#"echo '{"instruction":"hm","questions":[]}'; echo '{"auth_result":1}'"#,
            "asked nothing",
        ),
        (r#"echo '{"questions":["a","b"],"echos":[true]}'"#, "one echo for each"),
        (r#"echo '{"questions":["a","b"],"echos":[true,true],"check_password":1}'"#, "more than"),
        ("exec cat /dev/zero", "too much"),
    ] {
        assert_refused(bed(body).await.talk(&[&["a"]]).await, reason);
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_the_questions_are_refused() {
    let body = r#"echo '{"questions":["a","b"],"echos":[true,true]}'; read A; read B
echo "$A" > "$D/answers"; echo '{"auth_result":1}'"#;
    let bed = bed(body).await;
    for answers in [&["one"][..], &[], &["a", "b", "c"], &["a\nb", "c"], &["a\0", "b"]] {
        assert_refused(bed.talk(&[answers]).await, "");
    }
    assert_eq!(bed.file("answers"), "");
}

#[tokio::test]
async fn the_program_is_given_the_name_and_the_hash() {
    let body = r#"printf '%s|%s' "$SFTPGO_AUTHD_USERNAME" "$FERRYD_AUTHD_PASSWORD" > "$D/given"
echo '{"auth_result":1}'"#;
    let bed = bed(body).await;
    bed.talk(&[]).await.unwrap();
    assert_eq!(bed.file("given"), format!("bob|{HASH}"));
}

#[tokio::test]
async fn the_account_is_checked_after_the_program() {
    let bed = Bed::new(Scripts {
        dialog: "touch \"$D/ran\"; echo '{\"auth_result\":1}'",
        ..Scripts::default()
    })
    .await;
    bed.add(Account { status: 0, ..bob() }).await;
    assert_refused(bed.talk(&[]).await, "disabled");
    assert!(bed.folder.path().join("ran").exists());
    assert_refused(bed.dialog("eve").await, "no such account");
}

#[tokio::test]
async fn dropping_the_dialog_ends_the_program() {
    let body = r#"echo $$ > "$D/pid.new"; mv "$D/pid.new" "$D/pid"
echo '{"questions":["q"],"echos":[true]}'; read A; exec sleep 300"#;
    let bed = bed(body).await;
    let mut dialog = bed.dialog("bob").await.unwrap();
    dialog.next(Vec::new()).await.unwrap();
    drop(dialog);
    let stat = format!("/proc/{}/stat", bed.file("pid").trim());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        assert!(std::time::Instant::now() < deadline, "the program is alive");
        tokio::task::yield_now().await;
    }
}
