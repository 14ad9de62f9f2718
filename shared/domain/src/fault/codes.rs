//! One table: fault kind -> SFTP status, HTTP status, gRPC code, exit status, stable number.
//! Plain numbers, so that this package needs none of those libraries.

use crate::FaultKind;

/// The numbers of one kind of fault at the four edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// `SSH_FX_*` of SFTP version 3 (draft-ietf-secsh-filexfer-02 section 7).
    pub sftp: u32,
    /// HTTP status.
    pub http: u16,
    /// gRPC status code.
    pub grpc: i32,
    /// Exit status of a command.
    pub exit: u32,
    /// The number of the kind on the wire between our processes; never reused.
    pub number: u32,
}

const fn row(sftp: u32, http: u16, grpc: i32, exit: u32, number: u32) -> Codes {
    Codes { sftp, http, grpc, exit, number }
}

/// Every kind, for tests and for the way back from a number.
pub const ALL: [FaultKind; 17] = [
    FaultKind::NotFound,
    FaultKind::PermissionDenied,
    FaultKind::AlreadyExists,
    FaultKind::NotADirectory,
    FaultKind::IsADirectory,
    FaultKind::NotEmpty,
    FaultKind::InvalidInput,
    FaultKind::BadMessage,
    FaultKind::QuotaExceeded,
    FaultKind::Unsupported,
    FaultKind::Unauthenticated,
    FaultKind::TooManySessions,
    FaultKind::Unavailable,
    FaultKind::DeadlineExceeded,
    FaultKind::Conflict,
    FaultKind::Failed,
    FaultKind::Internal,
];

impl FaultKind {
    /// Returns the numbers of this kind.
    pub const fn codes(self) -> Codes {
        match self {
            Self::NotFound => row(2, 404, 5, 1, 1),
            Self::PermissionDenied => row(3, 403, 7, 1, 2),
            Self::AlreadyExists => row(4, 409, 6, 1, 3),
            Self::NotADirectory => row(4, 400, 9, 1, 4),
            Self::IsADirectory => row(4, 400, 9, 1, 5),
            Self::NotEmpty => row(4, 409, 9, 1, 6),
            Self::InvalidInput => row(4, 400, 3, 1, 7),
            Self::BadMessage => row(5, 400, 3, 1, 8),
            Self::QuotaExceeded => row(4, 403, 8, 1, 9),
            Self::Unsupported => row(8, 501, 12, 1, 10),
            Self::Unauthenticated => row(3, 401, 16, 1, 11),
            Self::TooManySessions => row(4, 429, 8, 1, 12),
            Self::Unavailable => row(4, 503, 14, 1, 13),
            Self::DeadlineExceeded => row(4, 504, 4, 1, 14),
            Self::Conflict => row(4, 409, 10, 1, 15),
            Self::Failed => row(4, 500, 2, 1, 16),
            Self::Internal => row(4, 500, 13, 1, 17),
        }
    }

    /// Returns the kind with this number, or `None` for a number of a newer version.
    pub fn from_number(number: u32) -> Option<Self> {
        ALL.into_iter().find(|kind| kind.codes().number == number)
    }

    /// Returns the nearest kind for a gRPC code, for peers that sent no number.
    pub fn from_grpc(code: i32) -> Self {
        match code {
            3 => Self::InvalidInput,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::QuotaExceeded,
            10 => Self::Conflict,
            12 => Self::Unsupported,
            14 => Self::Unavailable,
            16 => Self::Unauthenticated,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_lead_back() {
        for kind in ALL {
            assert_eq!(FaultKind::from_number(kind.codes().number), Some(kind));
        }
        assert_eq!(FaultKind::from_number(9999), None);
    }

    #[test]
    fn clients_never_see_the_client_side_codes_of_sftp() {
        for kind in ALL {
            assert!(matches!(kind.codes().sftp, 2..=5 | 8), "{kind:?}");
        }
    }
}
