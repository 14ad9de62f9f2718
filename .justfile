# Daily commands. `just` alone lists them; .ci/run is all a change has to pass.

[private]
default:
    @just --list --unsorted

# Format, lints, and the rules of the tree: layers, circles, licences
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    cargo test --workspace --test suite -- architecture:: packages::

# All tests, or those whose names hold WORDS
test *words:
    cargo test --workspace --lib --bins --tests -- {{words}}

# The scenarios alone, each over both topologies, or those whose names hold WORDS
both *words:
    cargo test --workspace --test suite -- {{words}}

# Start the server with everything it makes in ./run: accounts, keys, log
up *flags:
    mkdir -p run
    cargo run -- serve --config-dir run {{flags}}

# Print the ten longest files and functions: a nudge, not a gate
longest:
    @git ls-files '*.rs' | xargs wc -l | grep -v ' total$' | sort -rn | head -10
    @git ls-files '*.rs' | xargs awk ' \
        FNR == 1 { name = "" } \
        name == "" && match($0, /^ *(pub(\([a-z]+\))? )?(const )?(async )?fn [a-z0-9_]+/) { \
            name = substr($0, RSTART, RLENGTH); sub(/.*fn /, "", name); start = FNR; body = 0; \
            match($0, /^ */); end = sprintf("%*s}", RLENGTH, "") \
        } \
        name != "" && !body { if (/\{$/) body = 1; else if (/[;}]$/) name = "" } \
        name != "" && $0 == end { print FNR - start + 1, FILENAME ":" start, name; name = "" }' \
        | sort -rn | head -10
