# Daily commands. `just` alone lists them.

[private]
default:
    @just --list --unsorted

# What a change has to pass
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check licenses bans sources

# All tests
test:
    cargo test --workspace

# Start with everything in ./run
serve *flags:
    mkdir -p run
    cargo run -- serve --config-dir run {{flags}}

# Print the ten longest files: a nudge, not a gate
longest:
    git ls-files '*.rs' | xargs wc -l | sort -rn | head -11
