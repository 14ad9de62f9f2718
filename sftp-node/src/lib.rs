//! The data plane: speaks SSH, SFTP and SCP
