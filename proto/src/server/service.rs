//! Each call: message in, domain type, `ControlPlane`, domain type, message out.

use std::sync::Arc;

use ferryd_control_plane::ControlPlane;
use ferryd_domain::{Fault, Username};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::dialog;
use crate::convert::fault::to_status;
use crate::wire;

/// Serves a control plane; streams end with the stop signal, calls some time later.
pub(super) struct Service {
    control_plane: Arc<dyn ControlPlane>,
    stop: Stop,
}

/// The two signals at the end of serving.
#[derive(Clone)]
pub(super) struct Stop {
    /// Streams end, no call is accepted any more.
    pub(super) begin: CancellationToken,
    /// Calls that still run are given up.
    pub(super) cut: CancellationToken,
}

impl Service {
    /// Returns the service.
    pub(super) fn new(control_plane: Arc<dyn ControlPlane>, stop: Stop) -> Self {
        Self { control_plane, stop }
    }

    /// Returns the wire form of an answer that comes before calls are given up.
    async fn answer<D, W: From<D>>(
        &self,
        answer: impl Future<Output = Result<D, Fault>> + Send,
    ) -> Result<Response<W>, Status> {
        tokio::select! {
            result = answer => outward(result),
            () = self.stop.cut.cancelled() => {
                Err(to_status(&Fault::unavailable("the control plane stops")))
            }
        }
    }

    fn until_stop<T: Send + 'static>(
        &self,
        stream: impl futures::Stream<Item = T> + Send + 'static,
    ) -> BoxStream<'static, T> {
        stream.take_until(self.stop.begin.clone().cancelled_owned()).boxed()
    }
}

/// Returns the domain form of a request.
fn inward<W, D: TryFrom<W, Error = Fault>>(request: Request<W>) -> Result<D, Status> {
    request.into_inner().try_into().map_err(|fault| to_status(&fault))
}

/// Returns the wire form of an answer.
fn outward<D, W: From<D>>(result: Result<D, Fault>) -> Result<Response<W>, Status> {
    result.map(|value| Response::new(value.into())).map_err(|fault| to_status(&fault))
}

#[tonic::async_trait]
impl wire::control_plane_server::ControlPlane for Service {
    type DialogStream = BoxStream<'static, Result<wire::DialogStep, Status>>;
    type AttachNodeStream = BoxStream<'static, Result<wire::NodeCommand, Status>>;

    async fn authenticate(
        &self,
        request: Request<wire::LoginAttempt>,
    ) -> Result<Response<wire::LoginOutcome>, Status> {
        self.answer(self.control_plane.authenticate(inward(request)?)).await
    }

    async fn dialog(
        &self,
        request: Request<Streaming<wire::DialogInput>>,
    ) -> Result<Response<Self::DialogStream>, Status> {
        let mut inputs = request.into_inner();
        let start = dialog::start(&mut inputs).await?;
        let dialog = self.control_plane.start_dialog(start).await;
        let dialog = dialog.map_err(|fault| to_status(&fault))?;
        Ok(Response::new(self.until_stop(dialog::steps(dialog, inputs))))
    }

    async fn open_session(
        &self,
        request: Request<wire::SessionStart>,
    ) -> Result<Response<wire::SessionLease>, Status> {
        self.answer(self.control_plane.open_session(inward(request)?)).await
    }

    async fn close_session(
        &self,
        request: Request<wire::CloseSessionRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        self.answer(self.control_plane.close_session(inward(request)?)).await
    }

    async fn attach_node(
        &self,
        request: Request<wire::NodeInfo>,
    ) -> Result<Response<Self::AttachNodeStream>, Status> {
        let commands = self.control_plane.attach_node(inward(request)?).await;
        let commands = commands.map_err(|fault| to_status(&fault))?;
        Ok(Response::new(self.until_stop(commands.map(|command| Ok(command.into())))))
    }

    async fn report(
        &self,
        request: Request<wire::NodeReport>,
    ) -> Result<Response<wire::Done>, Status> {
        self.answer(self.control_plane.report(inward(request)?)).await
    }

    async fn finish_scan(
        &self,
        request: Request<wire::ScanOutcome>,
    ) -> Result<Response<wire::Done>, Status> {
        self.answer(self.control_plane.finish_scan(inward(request)?)).await
    }

    async fn get_quota_usage(
        &self,
        request: Request<wire::QuotaUsageRequest>,
    ) -> Result<Response<wire::QuotaUsage>, Status> {
        let username: Username = inward(request)?;
        self.answer(self.control_plane.quota_usage(&username)).await
    }

    async fn reserve(
        &self,
        request: Request<wire::GrantRequest>,
    ) -> Result<Response<wire::Grant>, Status> {
        self.answer(self.control_plane.reserve(inward(request)?)).await
    }

    async fn change_usage(
        &self,
        request: Request<wire::UsageChange>,
    ) -> Result<Response<wire::Done>, Status> {
        self.answer(self.control_plane.change_usage(inward(request)?)).await
    }

    async fn dispatch(
        &self,
        request: Request<wire::FileEvent>,
    ) -> Result<Response<wire::Done>, Status> {
        self.answer(self.control_plane.dispatch(inward(request)?)).await
    }
}
