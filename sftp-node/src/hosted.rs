//! Calls of the control plane that may touch disks, databases or programs are run on the runtime
//! of the process, so that they never hold up a thread that serves connections.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use ferryd_control_plane::{
    ConnectionId, ControlPlane, DialogStart, DialogStep, Grant, GrantRequest, LoginAttempt,
    LoginDialog, LoginOutcome, NodeCommands, NodeInfo, NodeReport, ScanOutcome, SessionLease,
    SessionStart, UsageChange,
};
use ferryd_domain::{Fault, FileEvent, QuotaUsage, Secret, Username};
use tokio::runtime::Handle;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// A control plane whose calls run on another runtime.
#[derive(Debug)]
pub(crate) struct Hosted {
    inner: Arc<dyn ControlPlane>,
    runtime: Handle,
}

impl Hosted {
    /// Wraps a control plane; its calls will run on the current runtime.
    pub fn new(inner: Arc<dyn ControlPlane>) -> Self {
        Self { inner, runtime: Handle::current() }
    }

    /// A call that is of no use once nobody waits for its answer: it ends then.
    async fn ask<T, F>(&self, call: impl FnOnce(Arc<dyn ControlPlane>) -> F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        ask_on(&self.runtime, call(Arc::clone(&self.inner))).await
    }

    /// A light call that is of no use once nobody waits for its answer: polled by this thread.
    async fn here<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|cx| {
            // Timers, sockets and tasks that it makes belong to the runtime of the process.
            let _entered = self.runtime.enter();
            call.as_mut().poll(cx)
        })
        .await
    }

    /// A call that goes on to its end, whoever waits for it.
    async fn call<T, F>(&self, call: impl FnOnce(Arc<dyn ControlPlane>) -> F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        run_on(&self.runtime, call(Arc::clone(&self.inner))).await
    }

    /// A call that mostly touches nothing but memory: it moves to the other runtime only when it
    /// has to wait. The way there and back costs more than such a call.
    async fn brief_call<T, F>(
        &self,
        call: impl FnOnce(Arc<dyn ControlPlane>) -> F,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let mut future = Box::pin(call(Arc::clone(&self.inner)));
        let first = poll_fn(|cx| {
            // Timers, sockets and tasks that it makes belong to the runtime where it may go on.
            let _entered = self.runtime.enter();
            Poll::Ready(future.as_mut().poll(cx))
        });
        match first.await {
            Poll::Ready(answer) => answer,
            Poll::Pending => run_on(&self.runtime, future).await,
        }
    }
}

async fn run_on<T, F>(runtime: &Handle, future: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    runtime.spawn(future).await.unwrap_or_else(ended)
}

async fn ask_on<T, F>(runtime: &Handle, future: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    AbortOnDropHandle::new(runtime.spawn(future)).await.unwrap_or_else(ended)
}

fn ended<T>(error: JoinError) -> Result<T, Fault> {
    Err(Fault::internal("control plane call ended").because(error))
}

#[async_trait]
impl ControlPlane for Hosted {
    async fn authenticate(&self, attempt: LoginAttempt) -> Result<LoginOutcome, Fault> {
        if self.inner.authenticates_lightly() {
            return self.here(self.inner.authenticate(attempt)).await;
        }
        self.ask(|inner| async move { inner.authenticate(attempt).await }).await
    }

    async fn start_dialog(&self, start: DialogStart) -> Result<Box<dyn LoginDialog>, Fault> {
        let dialog = self.ask(|inner| async move { inner.start_dialog(start).await }).await?;
        Ok(Box::new(HostedDialog { inner: Some(dialog), runtime: self.runtime.clone() }))
    }

    async fn open_session(&self, start: SessionStart) -> Result<SessionLease, Fault> {
        self.brief_call(|inner| async move { inner.open_session(start).await }).await
    }

    async fn close_session(&self, session: ConnectionId) -> Result<(), Fault> {
        self.brief_call(|inner| async move { inner.close_session(session).await }).await
    }

    async fn attach_node(&self, node: NodeInfo) -> Result<NodeCommands, Fault> {
        self.call(|inner| async move { inner.attach_node(node).await }).await
    }

    async fn report(&self, report: NodeReport) -> Result<(), Fault> {
        self.call(|inner| async move { inner.report(report).await }).await
    }

    async fn finish_scan(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        self.call(|inner| async move { inner.finish_scan(outcome).await }).await
    }

    async fn quota_usage(&self, user: &Username) -> Result<QuotaUsage, Fault> {
        let user = user.clone();
        self.call(|inner| async move { inner.quota_usage(&user).await }).await
    }

    async fn reserve(&self, request: GrantRequest) -> Result<Grant, Fault> {
        self.brief_call(|inner| async move { inner.reserve(request).await }).await
    }

    async fn change_usage(&self, change: UsageChange) -> Result<(), Fault> {
        self.call(|inner| async move { inner.change_usage(change).await }).await
    }

    fn counts_lightly(&self) -> bool {
        self.inner.counts_lightly()
    }

    async fn dispatch(&self, event: FileEvent) -> Result<(), Fault> {
        self.call(|inner| async move { inner.dispatch(event).await }).await
    }
}

#[derive(Debug)]
struct HostedDialog {
    inner: Option<Box<dyn LoginDialog>>,
    runtime: Handle,
}

#[async_trait]
impl LoginDialog for HostedDialog {
    async fn next(&mut self, answers: Vec<Secret<String>>) -> Result<DialogStep, Fault> {
        let Some(mut dialog) = self.inner.take() else {
            return Err(Fault::internal("the dialog is over"));
        };
        let (dialog, step) = ask_on(&self.runtime, async move {
            let step = dialog.next(answers).await?;
            Ok((dialog, step))
        })
        .await?;
        self.inner = Some(dialog);
        Ok(step)
    }
}
