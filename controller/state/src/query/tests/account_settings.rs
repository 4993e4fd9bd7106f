//! Account settings: of a principal, of the account, by default (ecs-semantics §1).

use drydock_proto::ecs;

use super::{World, json, line};
use crate::{Command, Outcome, State};

fn answer(outcome: &Outcome) -> String {
    match outcome {
        Outcome::AccountSetting(setting) => serde_json::to_string(&**setting).unwrap(),
        Outcome::Refused(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn put(world: &mut World, request: &str) -> String {
    answer(&world.try_apply(Command::PutAccountSetting(json(request))))
}

/// `name=value` of each.
fn list(world: &World, request: &str) -> String {
    let answer = match world.query().list_account_settings(&json(request)) {
        Ok(answer) => answer,
        Err(error) => return error.to_string(),
    };
    let name = |setting: &ecs::Setting| drydock_model::account_settings::spelling(setting.name());
    let shown = answer.settings.iter().map(|setting| format!("{}={}", name(setting), setting.value()));
    shown.chain(answer.next_token.map(|_| "…".to_owned())).collect::<Vec<_>>().join(" ")
}

const ANN: &str = "arn:aws:iam::123456789012:user/ann";

// rule: 2.6/account-settings
#[test]
fn a_principals_own_value_hides_the_accounts_and_that_the_default() {
    let mut world = World::new();
    let wait = |world: &World, own: &str| {
        list(world, &format!(r#"{{"name":"fargateTaskRetirementWaitPeriod"{own}}}"#))
            .replace("fargateTaskRetirementWaitPeriod", "")
    };
    let ann = format!(r#","principalArn":"{ANN}""#);
    let effective = r#","effectiveSettings":true"#;
    assert_eq!((wait(&world, ""), wait(&world, effective)), (String::new(), "=7".to_owned()));
    let default = r#"{"name":"fargateTaskRetirementWaitPeriod","value":"14"}"#;
    let root = r#""principalArn":"arn:aws:iam::123456789012:root","type":"user"}"#;
    let shown = answer(&world.try_apply(Command::PutAccountSettingDefault(json(default))));
    assert_eq!(shown, format!(r#"{{"name":"fargateTaskRetirementWaitPeriod","value":"14",{root}"#));
    assert_eq!(wait(&world, &format!("{effective}{ann}")), "=14", "the account's holds for whoever has none");
    assert_eq!(wait(&world, &ann), "");
    let shown = put(&mut world, &format!(r#"{{"name":"fargateTaskRetirementWaitPeriod","value":"0"{ann}}}"#));
    assert!(shown.contains(r#""value":"0""#) && shown.contains(ANN), "{shown}");
    assert_eq!(wait(&world, &ann), "=0");
    assert_eq!(wait(&world, effective), "=14", "the root user's stays");
    let delete = format!(r#"{{"name":"fargateTaskRetirementWaitPeriod"{ann}}}"#);
    let shown = answer(&world.try_apply(Command::DeleteAccountSetting(json(&delete))));
    assert!(shown.contains(r#""value":"0""#), "the one that was deleted: {shown}");
    assert_eq!((wait(&world, &ann), wait(&world, &format!("{effective}{ann}"))), (String::new(), "=14".to_owned()));
    // Without a principal it is the caller's, which is the root user here.
    let own = r#"{"name":"fargateTaskRetirementWaitPeriod"}"#;
    world.try_apply(Command::DeleteAccountSetting(json(own)));
    assert_eq!(wait(&world, &format!("{effective}{ann}")), "=7");
}

// rule: 2.6/account-settings
#[test]
fn all_of_them_with_what_holds() {
    let mut world = World::new();
    assert_eq!(list(&world, "{}"), "");
    assert_eq!(
        list(&world, r#"{"effectiveSettings":true}"#),
        "awsvpcTrunking=disabled containerInsights=disabled containerInstanceLongArnFormat=enabled \
         defaultLogDriverMode=blocking fargateEventWindows=disabled fargateFIPSMode=disabled \
         fargateTaskRetirementWaitPeriod=7 guardDutyActivate=off serviceLongArnFormat=enabled \
         tagResourceAuthorization=off …"
    );
    let page = world.query().list_account_settings(&json(r#"{"effectiveSettings":true}"#)).unwrap();
    let next = format!(r#"{{"effectiveSettings":true,"nextToken":"{}"}}"#, page.next_token.unwrap());
    assert_eq!(list(&world, &next), "taskLongArnFormat=enabled");
    put(&mut world, r#"{"name":"containerInsights","value":"disabled"}"#);
    put(&mut world, r#"{"name":"awsvpcTrunking","value":"disabled"}"#);
    for (request, expected) in [
        ("{}", "awsvpcTrunking=disabled containerInsights=disabled"),
        (r#"{"maxResults":1}"#, "awsvpcTrunking=disabled …"),
        (r#"{"name":"containerInsights"}"#, "containerInsights=disabled"),
        (r#"{"name":"containerInsights","value":"disabled"}"#, "containerInsights=disabled"),
        (r#"{"name":"containerInsights","value":"enabled"}"#, ""),
        (
            r#"{"value":"disabled"}"#,
            "InvalidParameterException: The filter value needs the name of an account setting beside it.",
        ),
        (r#"{"maxResults":11}"#, "InvalidParameterException: maxResults must be between 1 and 10."),
        (
            r#"{"principalArn":"ann"}"#,
            "InvalidParameterException: Invalid principalArn 'ann': it must be the ARN of a user, a role or the root \
             user of this account.",
        ),
    ] {
        assert_eq!(list(&world, request), expected, "{request}");
    }
    let guard = world.query().list_account_settings(&json(r#"{"name":"guardDutyActivate","effectiveSettings":true}"#));
    assert!(line(guard).contains(r#""type":"aws_managed""#));
}

// rule: 2.6/account-settings
#[test]
fn what_nothing_here_obeys_is_refused() {
    let mut world = World::new();
    for (name, value, expected) in [
        ("serviceLongArnFormat", "enabled", ""),
        ("serviceLongArnFormat", "disabled", "UnsupportedFeatureException: value: disabled, of"),
        ("taskLongArnFormat", "disabled", "UnsupportedFeatureException: value: disabled, of"),
        ("containerInsights", "enhanced", "UnsupportedFeatureException: value: enhanced, of containerInsights"),
        ("containerInsights", "on", "InvalidParameterException: Invalid value 'on' for containerInsights: it takes"),
        ("awsvpcTrunking", "enabled", "UnsupportedFeatureException"),
        ("fargateFIPSMode", "enabled", "UnsupportedFeatureException"),
        ("fargateEventWindows", "enabled", "UnsupportedFeatureException"),
        ("tagResourceAuthorization", "on", "UnsupportedFeatureException"),
        ("tagResourceAuthorization", "off", ""),
        ("defaultLogDriverMode", "blocking", ""),
        ("defaultLogDriverMode", "non-blocking", "UnsupportedFeatureException"),
        ("fargateTaskRetirementWaitPeriod", "8", "InvalidParameterException: Invalid value '8'"),
        ("guardDutyActivate", "on", "InvalidParameterException: guardDutyActivate is managed by AWS"),
    ] {
        let request = format!(r#"{{"name":"{name}","value":"{value}"}}"#);
        for shown in
            [put(&mut world, &request), answer(&world.try_apply(Command::PutAccountSettingDefault(json(&request))))]
        {
            let fits = if expected.is_empty() { shown.starts_with('{') } else { shown.starts_with(expected) };
            assert!(fits, "{request}: {shown}");
        }
    }
    let other = r#"{"name":"containerInsights","value":"disabled","principalArn":"arn:aws:iam::999999999999:root"}"#;
    assert!(put(&mut world, other).starts_with("InvalidParameterException: Invalid principalArn"));
}

#[test]
fn settings_survive_an_export() {
    let mut world = World::new();
    put(&mut world, &format!(r#"{{"name":"containerInsights","value":"disabled","principalArn":"{ANN}"}}"#));
    let again = State::import(world.state.export()).unwrap();
    assert_eq!(again, world.state);
    assert_ne!(again.digest(), World::new().state.digest());
}

/// Clusters get the account's `containerInsights` where they are created without one, and those that have it are known.
// rule: 2.6/account-settings
#[test]
fn clusters_are_created_with_the_accounts_container_insights() {
    let mut world = World::new();
    let create = |world: &mut World, name: &str, settings: &str| {
        let request = format!(r#"{{"clusterName":"{name}"{settings}}}"#);
        world.try_apply(Command::CreateCluster(Box::new(json(&request))));
        let request = format!(r#"{{"clusters":["{name}"],"include":["SETTINGS"]}}"#);
        let shown = world.query().describe_clusters(&json(&request)).unwrap();
        shown.clusters[0].settings.iter().map(|setting| setting.value().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let watched = |world: &World| {
        let names = world.state.clusters_with_insights().map(|row| row.name.to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(create(&mut world, "before", ""), "disabled");
    put(&mut world, r#"{"name":"containerInsights","value":"enabled"}"#);
    let off = r#","settings":[{"name":"containerInsights","value":"disabled"}]"#;
    assert_eq!(create(&mut world, "after", ""), "enabled");
    assert_eq!(create(&mut world, "off", off), "disabled");
    assert_eq!(watched(&world), "after");
    let update = |world: &mut World, name: &str, value: &str| {
        let request =
            format!(r#"{{"cluster":"{name}","settings":[{{"name":"containerInsights","value":"{value}"}}]}}"#);
        world.try_apply(Command::UpdateClusterSettings(json(&request)));
    };
    update(&mut world, "off", "enabled");
    update(&mut world, "before", "enabled");
    update(&mut world, "after", "disabled");
    assert_eq!(watched(&world), "before off", "the oldest first");
    world.try_apply(Command::DeleteCluster(json(r#"{"cluster":"before"}"#)));
    assert_eq!(watched(&world), "off");
}
