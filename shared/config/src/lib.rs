//! Finds and reads configuration files and the environment
