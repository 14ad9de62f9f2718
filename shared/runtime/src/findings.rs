//! What a look at the settings has found: filled by the parts of a program, told at once. For the
//! command `check`, which starts and changes nothing.

use std::fmt::Display;
use std::path::Path;

use ferryd_domain::{Fault, FaultKind};
use rustix::fs::Access;

use crate::terminal;

/// Errors keep a program from starting or from its work; warnings do not.
#[derive(Debug, Default)]
pub struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    /// Adds what would end a start.
    pub fn error(&mut self, text: impl Display) {
        self.errors.push(text.to_string());
    }

    /// Adds what is odd or unsafe.
    pub fn warning(&mut self, text: impl Display) {
        self.warnings.push(text.to_string());
    }

    /// Takes the value of a success, adds a fault.
    pub fn take<T>(&mut self, outcome: Result<T, Fault>) -> Option<T> {
        outcome.map_err(|fault| self.error(fault)).ok()
    }

    /// Looks whether a port could be listened on. One that is taken may be that of the very server
    /// whose settings are looked at.
    pub fn port(&mut self, section: &str, address: &str, port: u16) {
        if port == 0 {
            return;
        }
        match crate::listen::try_bind(address, port) {
            Err(fault) if fault.kind() == FaultKind::Conflict => {
                self.warning(format!("{section}.bind_port: {port} is taken, by a running server?"));
            }
            outcome => {
                self.take(
                    outcome.map_err(|fault| fault.context(format!("{section}.bind_address"))),
                );
            }
        }
    }

    /// Looks whether files can be made in a folder, or in the one above while it is missing.
    pub fn writable_folder(&mut self, setting: &str, folder: &Path) {
        let existing = folder.ancestors().find(|folder| folder.exists());
        let existing = existing.unwrap_or_else(|| Path::new("."));
        let writable = existing.is_dir()
            && rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK).is_ok();
        if !writable {
            let shown = existing.display();
            self.error(format!("{setting}: no files can be made in {shown} by this user"));
        }
    }

    /// Prints everything, the errors last.
    ///
    /// # Errors
    /// `InvalidInput` with the number of errors.
    pub fn report(self) -> Result<(), Fault> {
        let warnings = self.warnings.iter().map(|text| format!("warning: {text}"));
        let errors = self.errors.iter().map(|text| format!("error: {text}"));
        warnings.chain(errors).for_each(terminal::answer);
        match self.errors.len() {
            0 => {
                terminal::answer("no errors found");
                Ok(())
            }
            1 => Err(Fault::invalid("1 error found")),
            count => Err(Fault::invalid(format!("{count} errors found"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_fail_and_warnings_do_not() {
        let mut findings = Findings::default();
        findings.warning("odd");
        findings.writable_folder("folder", &std::env::temp_dir().join("not").join("there"));
        assert!(findings.report().is_ok());
        let mut findings = Findings::default();
        findings.writable_folder("file", Path::new("/proc/self/status"));
        findings.port("here", "not an address", 1);
        assert!(findings.report().unwrap_err().public().contains("2 errors"));
    }

    #[test]
    fn a_taken_port_is_a_warning() {
        let taken = crate::bind("127.0.0.1", 0).unwrap();
        let mut findings = Findings::default();
        findings.port("sftpd", "127.0.0.1", taken.local_addr().unwrap().port());
        assert_eq!((findings.warnings.len(), findings.errors.len()), (1, 0));
    }
}
