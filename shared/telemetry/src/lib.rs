//! Log records, log files, metrics
