//! What this build is.

/// Version, commit and date of the build.
pub const TEXT: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    ", commit ",
    env!("FERRYD_COMMIT"),
    ", built ",
    env!("FERRYD_BUILD_DATE")
);

/// The version alone.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");
/// Short hash of the commit that was built.
pub const COMMIT: &str = env!("FERRYD_COMMIT");
/// Date of the build.
pub const BUILD_DATE: &str = env!("FERRYD_BUILD_DATE");
