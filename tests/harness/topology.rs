//! The two forms the server comes in, and the macro that runs each scenario against both.

/// How the server is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// `ferryd`: everything in one process.
    Single,
    /// `control-api` and `sftp-node`, with gRPC between them.
    Split,
}

/// Makes two tests of every named scenario: `single::name` and `split::name`. A scenario is an
/// `async fn(Topology)`.
#[macro_export]
macro_rules! both_topologies {
    ($($scenario:ident),+ $(,)?) => {
        mod single {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$scenario($crate::Topology::Single).await;
                }
            )+
        }
        mod split {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$scenario($crate::Topology::Split).await;
                }
            )+
        }
    };
}
