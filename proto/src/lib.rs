//! The wire form of the control plane
