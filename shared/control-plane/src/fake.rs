//! A control plane for unit tests of a node.
