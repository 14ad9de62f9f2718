//! Random domain values for round trips through the bytes of the wire.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ferryd_control_plane::*;
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

/// Checks that a value is the same after it went through bytes.
pub(crate) fn assert_round_trip<D, W>(value: D) -> Result<(), TestCaseError>
where
    D: Clone + Debug + PartialEq + TryFrom<W, Error = Fault>,
    W: From<D> + Message + Default,
{
    let bytes = W::from(value.clone()).encode_to_vec();
    let decoded = W::decode(bytes.as_slice()).map_err(|e| TestCaseError::fail(e.to_string()))?;
    let back = D::try_from(decoded).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
    prop_assert_eq!(back, value);
    Ok(())
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), ".{1,12}", Just("\0ä\u{1F980}\n".to_owned())]
}

fn raw_path() -> impl Strategy<Value = RawPath> {
    prop_oneof![text().prop_map(RawPath::from), vec(any::<u8>(), 0..12).prop_map(RawPath::from)]
}

fn secret() -> impl Strategy<Value = Secret<String>> {
    text().prop_map(Secret::new)
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

pub(crate) fn name() -> impl Strategy<Value = Username> {
    text().prop_map(Username::stored)
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn connection() -> impl Strategy<Value = ConnectionId> {
    text().prop_map(ConnectionId)
}

fn node() -> impl Strategy<Value = NodeId> {
    text().prop_map(NodeId)
}

fn method() -> impl Strategy<Value = LoginMethod> {
    select(LoginMethod::ALL.to_vec())
}

fn folder() -> impl Strategy<Value = VirtualFolder> {
    (text(), text())
        .prop_map(|(virtual_path, mapped_path)| VirtualFolder { virtual_path, mapped_path })
}

fn extension_filter() -> impl Strategy<Value = ExtensionFilter> {
    (text(), texts(), texts()).prop_map(|(path, allowed_extensions, denied_extensions)| {
        ExtensionFilter { path, allowed_extensions, denied_extensions }
    })
}

fn filters() -> impl Strategy<Value = Filters> {
    (texts(), texts(), texts(), vec(extension_filter(), 0..3)).prop_map(
        |(allowed_ip, denied_ip, denied_login_methods, file_extensions)| Filters {
            allowed_ip,
            denied_ip,
            denied_login_methods,
            file_extensions,
        },
    )
}

fn s3() -> impl Strategy<Value = S3Settings> {
    (text(), text(), text(), text(), secret(), text(), text()).prop_map(
        |(bucket, key_prefix, region, access_key, access_secret, endpoint, storage_class)| {
            S3Settings {
                bucket,
                key_prefix,
                region,
                access_key,
                access_secret,
                endpoint,
                storage_class,
            }
        },
    )
}

fn gcs() -> impl Strategy<Value = GcsSettings> {
    (text(), text(), secret(), any::<i32>(), text()).prop_map(
        |(bucket, key_prefix, credentials, automatic_credentials, storage_class)| GcsSettings {
            bucket,
            key_prefix,
            credentials,
            automatic_credentials,
            storage_class,
        },
    )
}

fn storage() -> impl Strategy<Value = StorageSettings> {
    let provider = select(vec![StorageProvider::Local, StorageProvider::S3, StorageProvider::Gcs]);
    (provider, s3(), gcs()).prop_map(|(provider, s3config, gcsconfig)| StorageSettings {
        provider,
        s3config,
        gcsconfig,
    })
}

pub(crate) fn account() -> impl Strategy<Value = Account> {
    let identity = (name(), secret(), texts(), text(), any::<[i32; 4]>());
    let places = (vec(folder(), 0..3), btree_map(text(), texts(), 0..3), filters(), storage());
    (identity, places, any::<[i64; 10]>()).prop_map(|(identity, places, numbers)| {
        let (username, password, public_keys, home_dir, [status, uid, gid, max_sessions]) =
            identity;
        let (virtual_folders, permissions, filters, filesystem) = places;
        let [id, expiration_date, quota_size, quota_files, used_quota_size, rest @ ..] = numbers;
        let [used_quota_files, last_quota_update, upload_bandwidth, rest @ ..] = rest;
        let [download_bandwidth, last_login] = rest;
        Account {
            id,
            status,
            username,
            expiration_date,
            password,
            public_keys,
            home_dir,
            virtual_folders,
            uid,
            gid,
            max_sessions,
            quota_size,
            quota_files,
            permissions,
            used_quota_size,
            used_quota_files,
            last_quota_update,
            upload_bandwidth,
            download_bandwidth,
            last_login,
            filters,
            filesystem,
            unreadable: Vec::new(),
        }
    })
}

pub(crate) fn attempt() -> impl Strategy<Value = LoginAttempt> {
    let credential = prop_oneof![
        secret().prop_map(Credential::Password),
        text().prop_map(Credential::PublicKey)
    ];
    (name(), credential, address(), connection()).prop_map(
        |(username, credential, client_address, connection)| LoginAttempt {
            username,
            credential,
            client_address,
            connection,
        },
    )
}

pub(crate) fn outcome() -> impl Strategy<Value = LoginOutcome> {
    (account(), any::<u64>()).prop_map(|(account, version)| LoginOutcome { account, version })
}

pub(crate) fn dialog_start() -> impl Strategy<Value = DialogStart> {
    (name(), address(), connection()).prop_map(|(username, client_address, connection)| {
        DialogStart { username, client_address, connection }
    })
}

pub(crate) fn dialog_step() -> impl Strategy<Value = DialogStep> {
    let prompt = (text(), any::<bool>()).prop_map(|(text, echo)| Prompt { text, echo });
    prop_oneof![
        (text(), vec(prompt, 0..4))
            .prop_map(|(instruction, prompts)| DialogStep::Ask { instruction, prompts }),
        outcome().prop_map(|outcome| DialogStep::Accepted(Box::new(outcome))),
    ]
}

pub(crate) fn session_start() -> impl Strategy<Value = SessionStart> {
    (connection(), node(), name(), method(), address(), text()).prop_map(
        |(connection, node, username, method, client_address, client_version)| SessionStart {
            connection,
            node,
            username,
            method,
            client_address,
            client_version,
        },
    )
}

fn admission() -> impl Strategy<Value = Admission> {
    (any::<i64>(), any::<i32>()).prop_map(|(at, max_sessions)| Admission { at, max_sessions })
}

pub(crate) fn lease() -> impl Strategy<Value = SessionLease> {
    (connection(), any::<u64>(), admission()).prop_map(|(connection, nanos, admission)| {
        SessionLease { connection, admission, lifetime: Duration::from_nanos(nanos) }
    })
}

fn transfer() -> impl Strategy<Value = TransferStatus> {
    let direction = select(vec![TransferDirection::Upload, TransferDirection::Download]);
    (direction, raw_path(), any::<[i64; 2]>(), any::<u64>()).prop_map(
        |(direction, path, [started_at, last_activity], size)| TransferStatus {
            direction,
            path,
            started_at,
            last_activity,
            size,
        },
    )
}

pub(crate) fn session_status() -> impl Strategy<Value = SessionStatus> {
    let who = (connection(), name(), admission(), text(), address());
    let what = (prop::option::of(text()), vec(transfer(), 0..3), text());
    (who, what, any::<[i64; 2]>()).prop_map(|(who, what, [connected_at, last_activity])| {
        let (connection, username, admission, client_version, client_address) = who;
        let (protocol, transfers, ssh_command) = what;
        SessionStatus {
            connection,
            username,
            admission,
            client_version,
            client_address,
            connected_at,
            last_activity,
            protocol,
            transfers,
            ssh_command,
        }
    })
}

pub(crate) fn node_info() -> impl Strategy<Value = NodeInfo> {
    (node(), text(), vec(session_status(), 0..3)).prop_map(|(node, version, sessions)| NodeInfo {
        node,
        version,
        sessions,
    })
}

pub(crate) fn node_command() -> impl Strategy<Value = NodeCommand> {
    prop_oneof![
        any::<u64>().prop_map(|number| NodeCommand::Report { number }),
        connection().prop_map(NodeCommand::CloseConnection),
        (text(), account()).prop_map(|(scan, account)| NodeCommand::ScanQuota {
            scan: ScanId(scan),
            account: Box::new(account)
        }),
        account().prop_map(|account| NodeCommand::SweepUploads { account: Box::new(account) }),
    ]
}

pub(crate) fn node_report() -> impl Strategy<Value = NodeReport> {
    (node(), any::<u64>(), vec(session_status(), 0..3))
        .prop_map(|(node, number, sessions)| NodeReport { node, number, sessions })
}

pub(crate) fn usage() -> impl Strategy<Value = QuotaUsage> {
    any::<[i64; 2]>().prop_map(|[size, files]| QuotaUsage { size, files })
}

pub(crate) fn scan_outcome() -> impl Strategy<Value = ScanOutcome> {
    (text(), name(), prop::option::of(usage())).prop_map(|(scan, username, usage)| ScanOutcome {
        scan: ScanId(scan),
        username,
        usage,
    })
}

pub(crate) fn grant_request() -> impl Strategy<Value = GrantRequest> {
    (text(), connection(), name(), any::<u64>(), any::<u32>()).prop_map(
        |(transfer, connection, username, bytes, files)| GrantRequest {
            transfer: TransferId(transfer),
            connection,
            username,
            bytes,
            files,
        },
    )
}

pub(crate) fn usage_change() -> impl Strategy<Value = UsageChange> {
    let certainty = select(vec![Certainty::Exact, Certainty::Doubtful]);
    (text(), name(), any::<[i64; 2]>(), certainty).prop_map(
        |(transfer, username, [size, files], certainty)| UsageChange {
            transfer: TransferId(transfer),
            username,
            size,
            files,
            certainty,
        },
    )
}

pub(crate) fn file_event() -> impl Strategy<Value = FileEvent> {
    let texts = (text(), raw_path(), raw_path(), text());
    (texts, name(), select(FileAction::ALL.to_vec()), any::<i64>(), any::<bool>()).prop_map(
        |((id, path, target_path, ssh_command), username, action, file_size, local_file)| {
            FileEvent {
                id: EventId(id),
                action,
                username,
                path,
                target_path,
                ssh_command,
                file_size,
                local_file,
            }
        },
    )
}
