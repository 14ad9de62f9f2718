//! Looks at the settings of the control plane and at what is stored, without starting or changing
//! anything.

use ferryd_data_provider::{DataProvider, Inspected, Order, UserPage};
use ferryd_domain::account::public_key::PublicKeyLine;
use ferryd_domain::{Account, Fault};
use ferryd_runtime::Findings;

use crate::control_api::{ControlApiSettings, tls};
use crate::passwords::{self, DesHashes, Form};
use crate::rest::Htpasswd;

/// Accounts that are read together.
const PAGE: u32 = 500;
/// Accounts that are told; a thousand lines help nobody.
const TOLD: usize = 20;

/// Adds what is wrong with the settings, the files they name, the store and its accounts.
pub async fn check(settings: &ControlApiSettings, findings: &mut Findings) {
    rest(settings, findings).await;
    findings.take(crate::auth::check_programs(&settings.data_provider));
    let (config, dir) = (&settings.data_provider, &settings.config_dir);
    match findings.take(ferryd_data_provider::inspect(config, dir).await) {
        Some(Inspected::Missing(file)) => {
            let folder = file.parent().unwrap_or(dir);
            findings.writable_folder("data_provider.name", folder);
        }
        Some(Inspected::Older) => {
            findings.warning("data_provider.name: the schema is older and is updated at the start");
        }
        Some(Inspected::Ready(provider)) => {
            let told = accounts(&*provider, findings).await;
            findings.take(told);
            provider.close().await;
        }
        None => {}
    }
}

async fn rest(settings: &ControlApiSettings, findings: &mut Findings) {
    let (httpd, dir) = (&settings.httpd, &settings.config_dir);
    findings.take(tls(settings));
    if httpd.bind_port == 0 {
        return;
    }
    if !httpd.auth_user_file.is_empty() {
        let complaints = Htpasswd::complaints(&dir.join(&httpd.auth_user_file)).await;
        for complaint in findings.take(complaints).into_iter().flatten() {
            findings.warning(format!("httpd.auth_user_file: {complaint}"));
        }
    }
    findings.writable_folder("httpd.backups_path", &dir.join(&httpd.backups_path));
    findings.port("httpd", &httpd.bind_address, httpd.bind_port);
}

async fn accounts(provider: &dyn DataProvider, findings: &mut Findings) -> Result<(), Fault> {
    let mut page = UserPage { limit: PAGE, offset: 0, order: Order::Ascending, username: None };
    let mut odd = 0;
    loop {
        let users = provider.users(&page).await?;
        if users.is_empty() {
            break;
        }
        page.offset += u64::from(PAGE);
        for flaw in users.iter().flat_map(flaws) {
            odd += 1;
            if odd <= TOLD {
                findings.warning(flaw);
            }
        }
    }
    if odd > TOLD {
        findings.warning(format!("{} more about accounts", odd - TOLD));
    }
    Ok(())
}

/// Returns what a login would not obey, not check or not find.
fn flaws(account: &Account) -> Vec<String> {
    let mut flaws = Vec::new();
    let name = account.username.as_str();
    for (index, line) in account.public_keys.iter().enumerate() {
        let flaw = match PublicKeyLine::parse(line) {
            Ok(key) => key.options.objection().map(str::to_owned),
            Err(fault) => Some(fault.public().to_owned()),
        };
        flaws.extend(flaw.map(|flaw| format!("account {name:?}: key nr. {index}: {flaw}")));
    }
    if let Form::Foreign(form) = passwords::form(account.password.expose(), DesHashes::Clear) {
        flaws.push(format!("account {name:?}: a password of the form {form} lets nobody in"));
    }
    if !account.home_dir.starts_with('/') {
        flaws.push(format!("account {name:?}: the home directory is not an absolute path"));
    }
    flaws
}
