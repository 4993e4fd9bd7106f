//! `drydock account-setting`.

use clap::Subcommand;
use drydock_proto::ecs::{
    DeleteAccountSettingRequest, ListAccountSettingsRequest, ListAccountSettingsResponse,
    PutAccountSettingDefaultRequest, PutAccountSettingRequest, Setting, SettingName, SettingType,
};
use drydock_proto::json::WireEnum as _;

use super::Context;
use crate::client::Kind;
use crate::failure::Failure;
use crate::output::Table;
use crate::output::words::{name_of, spelling, text};

/// Verbs of the noun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists the settings that hold, or with --own only those that were set.
    #[command(visible_alias = "ls")]
    List {
        /// Only this one.
        #[arg(long, value_parser = setting_name)]
        name: Option<i32>,
        /// Only with this value.
        #[arg(long, requires = "name")]
        value: Option<String>,
        /// Of this user or role; otherwise the caller's.
        #[arg(long, value_name = "ARN")]
        principal: Option<String>,
        /// Only those that the principal has set itself.
        #[arg(long)]
        own: bool,
    },
    /// Sets a setting for the caller, or for a user or role.
    Put {
        /// Its name, such as containerInsights.
        #[arg(value_parser = setting_name)]
        name: i32,
        /// Its value, such as disabled.
        value: String,
        /// For this user or role.
        #[arg(long, value_name = "ARN")]
        principal: Option<String>,
    },
    /// Sets a setting for all who have none of their own.
    PutDefault {
        /// Its name.
        #[arg(value_parser = setting_name)]
        name: i32,
        /// Its value.
        value: String,
    },
    /// Deletes a setting: the default holds again.
    Delete {
        /// Its name.
        #[arg(value_parser = setting_name)]
        name: i32,
        /// Of this user or role.
        #[arg(long, value_name = "ARN")]
        principal: Option<String>,
    },
}

fn setting_name(name: &str) -> Result<i32, String> {
    SettingName::number(name).ok_or_else(|| {
        let all: Vec<&str> = SettingName::SPELLINGS.iter().map(|(_, name)| *name).collect();
        format!("it must be one of {}", all.join(", "))
    })
}

/// Runs the verb.
///
/// # Errors
/// Those of the calls.
pub async fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let client = &context.client;
    match verb {
        Verb::List { name, value, principal, own } => {
            let effective_settings = Some(!own);
            let request = ListAccountSettingsRequest {
                name,
                value,
                principal_arn: principal,
                effective_settings,
                ..ListAccountSettingsRequest::default()
            };
            list(context, request).await
        }
        Verb::Put { name, value, principal } => {
            let request = PutAccountSettingRequest { name: Some(name), value: Some(value), principal_arn: principal };
            let call = async |mut ecs: super::Ecs, request| ecs.put_account_setting(request).await;
            let answer = client.ecs(Kind::Idempotent, request, call).await?;
            context.screen.answer_line(&answer, || line(answer.setting.as_ref()))
        }
        Verb::PutDefault { name, value } => {
            let request = PutAccountSettingDefaultRequest { name: Some(name), value: Some(value) };
            let call = async |mut ecs: super::Ecs, request| ecs.put_account_setting_default(request).await;
            let answer = client.ecs(Kind::Idempotent, request, call).await?;
            context.screen.answer_line(&answer, || line(answer.setting.as_ref()))
        }
        Verb::Delete { name, principal } => {
            let request = DeleteAccountSettingRequest { name: Some(name), principal_arn: principal };
            let call = async |mut ecs: super::Ecs, request| ecs.delete_account_setting(request).await;
            let answer = client.ecs(Kind::Idempotent, request, call).await?;
            context.screen.answer_line(&answer, || format!("deleted {}", line(answer.setting.as_ref())))
        }
    }
}

async fn list(context: &Context, mut request: ListAccountSettingsRequest) -> Result<(), Failure> {
    let mut settings = Vec::new();
    loop {
        let call = async |mut ecs: super::Ecs, request| ecs.list_account_settings(request).await;
        let answer = context.client.ecs(Kind::Read, request.clone(), call).await?;
        settings.extend(answer.settings);
        request.next_token = answer.next_token;
        if request.next_token.is_none() {
            break;
        }
    }
    let answer = ListAccountSettingsResponse { settings, next_token: None };
    context.screen.answer(&answer, || {
        let mut table = Table::new(&["SETTING", "VALUE", "PRINCIPAL", "TYPE"]);
        for setting in &answer.settings {
            table.row([
                spelling::<SettingName>(setting.name),
                text(setting.value.as_deref()),
                principal(setting),
                spelling::<SettingType>(setting.r#type),
            ]);
        }
        table
    })
}

fn principal(setting: &Setting) -> String {
    let arn = setting.principal_arn.as_deref().unwrap_or_default();
    if arn.ends_with(":root") { "root".to_owned() } else { name_of(arn).to_owned() }
}

fn line(setting: Option<&Setting>) -> String {
    let Some(setting) = setting else { return String::new() };
    let name = spelling::<SettingName>(setting.name);
    format!("{name} is {} for {}", text(setting.value.as_deref()), principal(setting))
}
