//! Links that lead to themselves. They lead nowhere, so they may be renamed and removed like any
//! other, while a link that leads outside may not: callers need to tell the two apart.

use std::{error, fmt};

use ferryd_domain::Fault;

/// What caused the fault of such a link.
#[derive(Debug)]
struct Circle;

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("links lead in circles")
    }
}

impl error::Error for Circle {}

/// Returns the fault for a link that leads to itself, or through more links than are followed.
pub(crate) fn circle() -> Fault {
    Fault::failed("too many levels of symbolic links").because(Circle)
}

/// Tells whether a path could not be followed because its links lead in circles.
pub fn is_circle(fault: &Fault) -> bool {
    fault.is_because_of::<Circle>()
}
