//! The log's encoding, what halts a replica, epochs, checkpoints, snapshots.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::script::step;
use common::{EPOCH_MS, World, definition, scope, stop_code};
use drydock_model::capacity::Serves;
use drydock_model::resources::Available;
use drydock_model::status::{ContainerStatus, HealthStatus, ServiceDeploymentStatus, ServiceStatus, TaskStatus};
use drydock_proto::ecs;
use drydock_state::command::{
    ContainerReport, InterruptTask, Placement, RegisterInstance, ReportTimes, RunTask, SCHEMA, TaskReport,
};
use drydock_state::event::Level;
use drydock_state::plan::{
    BindTask, CreateTask, EmitServiceAction, EndTaskProtection, MarkTaskLost, PutServiceEvent, SetDeployment,
    SetInstance, SetScaling, SetService, SetTaskSet, StopTask,
};
use drydock_state::row::{
    AttachmentRow, BindingRow, HookAction, HookRow, HookStage, HookStatus, InterfaceRow, LifecycleStage, MonitorStatus,
    Names, RollbackRow, RolloutState, ScalingFigures, ServiceProgress,
};
use drydock_state::{
    CHECKPOINT_EVERY, CapacityProviderKey, Change, ClusterId, Command, DefinitionKey, Envelope, Halt, ImportError,
    InstanceKey, Key, Outcome, Plan, ScalingKey, ScopeId, ServiceKey, Settings, State, TaskKey, TokenKey, TokenKind,
    codec,
};
use expect_test::expect_file;

const CLUSTER: ClusterId = ClusterId(3);
const TASK: TaskKey = TaskKey { cluster: CLUSTER, id: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef };
const INSTANCE: InstanceKey = InstanceKey { cluster: CLUSTER, id: 0xfedc_ba98_7654_3210_fedc_ba98_7654_3210 };
const SERVICE: ServiceKey = ServiceKey { cluster: CLUSTER, number: 9 };

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn attribute() -> ecs::Attribute {
    ecs::Attribute { name: text("n"), value: text("v"), target_id: text("i"), target_type: Some(1) }
}

fn failure() -> ecs::Failure {
    ecs::Failure { arn: text("arn"), reason: text("RESOURCE:CPU"), detail: None }
}

fn report() -> TaskReport {
    TaskReport {
        task: TASK,
        instance: INSTANCE.id,
        sequence: 7,
        last_status: TaskStatus::Stopped,
        health: HealthStatus::Healthy,
        stop_code: Some(stop_code("EssentialContainerExited")),
        stopped_reason: "exited".into(),
        times: ReportTimes {
            pull_started_at: Some(1),
            pull_stopped_at: Some(2),
            started_at: Some(3),
            stopping_at: Some(4),
            execution_stopped_at: Some(5),
            stopped_at: Some(6),
        },
        containers: vec![ContainerReport {
            name: "app".into(),
            last_status: ContainerStatus::Stopped,
            exit_code: Some(-1),
            reason: "OutOfMemoryError".into(),
            runtime_id: "id".into(),
            image_digest: "sha256:0".into(),
            health: HealthStatus::Unknown,
            network_bindings: vec![BindingRow {
                bind_ip: "0.0.0.0".into(),
                container_port: 80,
                host_port: 32_768,
                udp: true,
                container_port_range: Some("1-2".into()),
                host_port_range: None,
            }],
            network_interfaces: vec![InterfaceRow {
                attachment_id: "a".into(),
                private_ipv4: Some("10.0.0.1".into()),
                ipv6: None,
            }],
            restart_count: 2,
        }],
        attachments: vec![AttachmentRow {
            id: "a".into(),
            kind: "ElasticNetworkInterface".into(),
            status: "ATTACHED".into(),
            details: [("subnetId".into(), "s".into())].into(),
        }],
    }
}

fn changes() -> Vec<Change> {
    let mut deployment = SetDeployment::new(SERVICE.deployment(4), 2);
    deployment.status = Some(ServiceDeploymentStatus::RollbackInProgress);
    deployment.status_reason = text("s");
    deployment.rollout_state = Some(RolloutState::Failed);
    deployment.rollout_state_reason = text("r");
    deployment.stage = Some(LifecycleStage::CleanUp);
    deployment.failed_tasks = Some(3);
    deployment.failure_count = Some(4);
    deployment.breaker = Some(MonitorStatus::Triggered);
    deployment.ever_ran = Some(true);
    deployment.counted_until = Some(5);
    deployment.wake_at = Some(None);
    deployment.counted_at = Some(7);
    deployment.halt = true;
    deployment.production_traffic = Some(125);
    deployment.test_traffic = Some(1_000);
    deployment.bake_until = Some(Some(8));
    deployment.hooks = Some(vec![HookRow {
        id: 9,
        stage: HookStage::PreScaleUp,
        status: HookStatus::AwaitingAction,
        expires_at: 10,
        timeout_action: HookAction::Continue,
    }]);
    deployment.rollback = Some(RollbackRow { reason: "b".into(), started_at: 6, to_deployment: 2, to_revision: 1 });
    let progress = ServiceProgress {
        steady: true,
        start_failures: 1,
        not_before: Some(2),
        wake_at: Some(3),
        counted_until: 4,
        rebalancing: Some(5),
        rebalance_at: Some(6),
    };
    let (code, reason) = (stop_code("InfrastructureHealth"), String::from("lost"));
    vec![
        Change::CreateTask(CreateTask {
            service: SERVICE,
            generation: 1,
            deployment: 4,
            revision: 3,
            instance: Some(INSTANCE.id),
            capacity_provider: Some("FARGATE_SPOT".into()),
            rebalances: true,
        }),
        Change::StopTask(StopTask { task: TASK, code, reason: reason.clone() }),
        Change::MarkTaskLost(MarkTaskLost { task: TASK, code, reason: reason.clone(), even_if_connected: true }),
        Change::SetDeployment(Box::new(deployment)),
        Change::SetService(SetService {
            service: SERVICE,
            version: 5,
            progress: Some(progress),
            status: Some(ServiceStatus::Inactive),
            desired_count: None,
        }),
        Change::PutServiceEvent(PutServiceEvent { service: SERVICE, message: "m".into(), task_set: None }),
        Change::EmitServiceAction(EmitServiceAction {
            service: SERVICE,
            level: Level::Warn,
            name: "N".into(),
            reason,
            instances: vec![INSTANCE.id],
            capacity_providers: vec!["p".into()],
        }),
        Change::SetInstance(SetInstance { instance: INSTANCE, disconnected_at: Some(1), lost_at: None }),
        Change::EndTaskProtection(EndTaskProtection { task: TASK, until: 9 }),
        Change::PutServiceEvent(PutServiceEvent { service: SERVICE, message: "m".into(), task_set: Some(4) }),
        Change::SetTaskSet(SetTaskSet {
            task_set: SERVICE.task_set(4),
            version: 2,
            progress: Some(progress),
            drained: true,
        }),
        Change::BindTask(BindTask { task: TASK, instance: INSTANCE.id }),
        Change::SetScaling(Box::new(SetScaling {
            key: scaling_key(),
            version: 3,
            figures: ScalingFigures {
                needed: 4,
                running: 2,
                reservation_percent: 200,
                target_percent: 90,
                desired: 5,
                low_points: 6,
                warm_until: Some(7),
                decided_at: 8,
                next_at: Some(9),
            },
            leaving: vec![INSTANCE.id],
        })),
    ]
}

fn scaling_key() -> ScalingKey {
    ScalingKey { cluster: CLUSTER, provider: "mine".into() }
}

fn keys() -> Vec<Key> {
    vec![
        Key::Cluster(CLUSTER),
        Key::Instance(INSTANCE),
        Key::Service(SERVICE),
        Key::Deployment(SERVICE.deployment(4)),
        Key::Revision(SERVICE.revision(3)),
        Key::Task(TASK),
        Key::Definition(DefinitionKey { scope: ScopeId(1), family: "web".into(), revision: 2 }),
        Key::Token(TokenKey { cluster: CLUSTER, kind: TokenKind::CreateService, token: "t".into() }),
        Key::TaskSet(SERVICE.task_set(4)),
        Key::CapacityProvider(CapacityProviderKey { scope: ScopeId(1), name: "mine".into() }),
        Key::Scaling(scaling_key()),
    ]
}

/// One of each command, every field set where it is short.
fn commands() -> Vec<Command> {
    let run = ecs::RunTaskRequest { task_definition: text("web"), count: Some(2), ..Default::default() };
    let capacity = Available {
        cpu: 1,
        memory_mib: 2,
        taken_tcp: [22].into_iter().collect(),
        taken_udp: [53].into_iter().collect(),
        gpus: ["g".into()].into(),
        interfaces: None,
    };
    vec![
        Command::CreateCluster(Box::new(ecs::CreateClusterRequest { cluster_name: text("c"), ..Default::default() })),
        Command::DeleteCluster(ecs::DeleteClusterRequest { cluster: text("c") }),
        Command::UpdateCluster(Box::new(ecs::UpdateClusterRequest { cluster: text("c"), ..Default::default() })),
        Command::UpdateClusterSettings(ecs::UpdateClusterSettingsRequest { cluster: text("c"), settings: vec![] }),
        Command::RegisterTaskDefinition(Box::new(definition("web", 256, 128))),
        Command::DeregisterTaskDefinition(ecs::DeregisterTaskDefinitionRequest { task_definition: text("web:1") }),
        Command::DeleteTaskDefinitions(ecs::DeleteTaskDefinitionsRequest { task_definitions: vec!["web:1".into()] }),
        Command::CreateService(Box::new(ecs::CreateServiceRequest { service_name: text("s"), ..Default::default() })),
        Command::UpdateService(Box::new(ecs::UpdateServiceRequest { service: text("s"), ..Default::default() })),
        Command::DeleteService(ecs::DeleteServiceRequest { cluster: None, service: text("s"), force: Some(true) }),
        Command::RunTask(Box::new(RunTask {
            request: run,
            placements: vec![
                Placement::On(INSTANCE.id),
                Placement::Failed(failure()),
                Placement::Provided { provider: "FARGATE".into(), instance: Some(INSTANCE.id) },
                Placement::Provided { provider: "mine".into(), instance: None },
            ],
        })),
        Command::StartTask(Box::new(ecs::StartTaskRequest { task_definition: text("web"), ..Default::default() })),
        Command::StopTask(ecs::StopTaskRequest { cluster: None, task: text("t"), reason: text("r") }),
        Command::DeregisterContainerInstance(ecs::DeregisterContainerInstanceRequest {
            cluster: None,
            container_instance: text("i"),
            force: Some(true),
        }),
        Command::RegisterContainerInstance(Box::new(ecs::RegisterContainerInstanceRequest {
            cluster: text("c"),
            ..Default::default()
        })),
        Command::SubmitTaskStateChange(Box::new(ecs::SubmitTaskStateChangeRequest {
            task: text("t"),
            status: text("RUNNING"),
            ..Default::default()
        })),
        Command::SubmitContainerStateChange(ecs::SubmitContainerStateChangeRequest {
            task: text("t"),
            container_name: text("app"),
            ..Default::default()
        }),
        Command::SubmitAttachmentStateChanges(ecs::SubmitAttachmentStateChangesRequest {
            cluster: text("c"),
            attachments: vec![],
        }),
        Command::UpdateContainerInstancesState(ecs::UpdateContainerInstancesStateRequest {
            cluster: None,
            container_instances: vec!["i".into()],
            status: Some(ecs::ContainerInstanceStatus::Draining as i32),
        }),
        Command::PutAccountSetting(ecs::PutAccountSettingRequest {
            name: Some(1),
            value: text("enabled"),
            principal_arn: text("p"),
        }),
        Command::PutAccountSettingDefault(ecs::PutAccountSettingDefaultRequest {
            name: Some(2),
            value: text("enabled"),
        }),
        Command::DeleteAccountSetting(ecs::DeleteAccountSettingRequest { name: Some(3), principal_arn: None }),
        Command::TagResource(ecs::TagResourceRequest { resource_arn: text("a"), tags: vec![] }),
        Command::PutAttributes(ecs::PutAttributesRequest { cluster: text("c"), attributes: vec![attribute()] }),
        Command::DeleteAttributes(ecs::DeleteAttributesRequest { cluster: text("c"), attributes: vec![attribute()] }),
        Command::UntagResource(ecs::UntagResourceRequest { resource_arn: text("a"), tag_keys: vec!["k".into()] }),
        Command::UpdateTaskProtection(ecs::UpdateTaskProtectionRequest {
            cluster: text("c"),
            tasks: vec!["t".into()],
            protection_enabled: Some(true),
            expires_in_minutes: Some(5),
        }),
        Command::StopServiceDeployment(ecs::StopServiceDeploymentRequest {
            service_deployment_arn: text("a"),
            stop_type: Some(ecs::StopServiceDeploymentStopType::Abort.into()),
        }),
        Command::ContinueServiceDeployment(ecs::ContinueServiceDeploymentRequest {
            service_deployment_arn: text("a"),
            hook_id: text("h"),
            action: Some(HookAction::Rollback.into()),
        }),
        Command::CreateTaskSet(Box::new(ecs::CreateTaskSetRequest { service: text("s"), ..Default::default() })),
        Command::UpdateTaskSet(ecs::UpdateTaskSetRequest { service: text("s"), ..Default::default() }),
        Command::DeleteTaskSet(ecs::DeleteTaskSetRequest { service: text("s"), ..Default::default() }),
        Command::UpdateServicePrimaryTaskSet(ecs::UpdateServicePrimaryTaskSetRequest {
            service: text("s"),
            ..Default::default()
        }),
        Command::RegisterInstance(Box::new(RegisterInstance {
            cluster: "c".into(),
            token: "t".into(),
            capacity,
            attributes: vec![ecs::Attribute { name: text("n"), ..Default::default() }],
            ec2_instance_id: "i-0".into(),
            agent_version: "1".into(),
            docker_version: "2".into(),
            runtime: "docker".into(),
            tags: vec![ecs::Tag { key: text("k"), value: text("v") }],
            serves: Serves::Ec2,
            capacity_provider: "mine".into(),
        })),
        Command::CreateCapacityProvider(Box::new(ecs::CreateCapacityProviderRequest {
            name: text("mine"),
            ..Default::default()
        })),
        Command::UpdateCapacityProvider(Box::new(ecs::UpdateCapacityProviderRequest {
            name: text("mine"),
            ..Default::default()
        })),
        Command::DeleteCapacityProvider(ecs::DeleteCapacityProviderRequest {
            capacity_provider: text("mine"),
            cluster: None,
        }),
        Command::PutClusterCapacityProviders(ecs::PutClusterCapacityProvidersRequest {
            cluster: text("c"),
            capacity_providers: vec!["mine".into()],
            default_capacity_provider_strategy: vec![],
        }),
        Command::InterruptTask(InterruptTask { cluster: "c".into(), task: "t".into() }),
        Command::InstanceConnected(INSTANCE),
        Command::InstanceDisconnected(INSTANCE),
        Command::ReportStatuses(vec![report()]),
        Command::Plan(Plan { changes: changes() }),
        Command::Reap(keys()),
        Command::Checkpoint { index: 256, digest: 0xD1 },
        Command::PutSettings(Settings::default()),
        Command::Reset,
        Command::NewEpoch,
        Command::PutNames(Box::new(names())),
    ]
}

fn names() -> Names {
    Names {
        strict: true,
        subnets: [("subnet-1".into(), "us-east-1a".into())].into(),
        security_groups: ["sg-1".into()].into(),
        roles: ["arn:aws:iam::123456789012:role/web".into()].into(),
    }
}

fn envelope(command: Command) -> Envelope {
    Envelope {
        epoch: 5,
        now_ms: 1_700_000_000_000,
        seed: 0x1111_2222_3333_4444_5555_6666_7777_8888,
        schema: SCHEMA,
        scope: scope(),
        caller: "me".into(),
        command,
    }
}

/// These bytes are in logs and are for ever: a change here breaks every log that was written before it.
#[test]
fn the_encoding_of_every_command_stays_as_it_is() {
    let mut golden = String::new();
    for command in commands() {
        let name = command.name();
        let envelope = envelope(command);
        let bytes = codec::encode(&envelope).unwrap();
        assert_eq!(codec::decode(1, &bytes).unwrap(), envelope, "{name}");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        golden.push_str(&format!("{name} {hex}\n"));
    }
    let mut names: Vec<&str> = commands().iter().map(Command::name).collect();
    names.dedup();
    assert_eq!(names.len(), 49, "one of each");
    expect_file!["golden/commands-v1.txt"].assert_eq(&golden);
}

/// Fields that came later are left out where they say what was meant before, and kept where they say something else.
#[test]
fn what_came_later_is_kept_where_it_says_something() {
    for (interfaces, service_launches_per_minute) in [(Some(0), 1), (Some(7), 501), (None, 500)] {
        let settings = Settings { service_launches_per_minute, ..Settings::default() };
        let mut all = commands();
        all.retain(|command| matches!(command, Command::RegisterInstance(_)));
        let Some(Command::RegisterInstance(register)) = all.first_mut() else { panic!("it is one of them") };
        register.capacity.interfaces = interfaces;
        all.push(Command::PutSettings(settings));
        for command in all {
            let envelope = envelope(command);
            assert_eq!(codec::decode(1, &codec::encode(&envelope).unwrap()).unwrap(), envelope);
        }
    }
}

#[test]
fn the_digest_of_a_state_stays_as_it_is() {
    let mut world = World::default();
    world.cluster("default");
    for line in ["register web", "join a", "service web td=web desired=1", "plan create web on=a", "report t1 RUNNING"]
    {
        step(&mut world, line);
    }
    // Replicas of two builds compare these: where it must change, the snapshot's format and the schema change with it.
    expect_test::expect!["6050685dc57d1684"].assert_eq(&format!("{:016x}", world.state.digest()));
}

#[test]
fn an_entry_that_this_build_does_not_know_whole_halts() {
    let good = codec::encode(&envelope(Command::NewEpoch)).unwrap();
    let mut later = envelope(Command::NewEpoch);
    later.schema = SCHEMA + 1;
    let later = codec::encode(&later).unwrap();
    let mut state = State::default();
    let halt = |state: &mut State, bytes: &[u8]| state.apply_bytes(1, 5, bytes).unwrap_err().to_string();
    assert_eq!(halt(&mut state, &later), "log entry 1 has schema 2, and this build knows only up to 1");
    assert!(halt(&mut state, &good[..good.len() - 1]).starts_with("log entry 1 can't be decoded"));
    assert!(halt(&mut state, b"\xff\xff").starts_with("log entry 1 can't be decoded"));
    // Field 120 is no command of this build: prost drops it, and nothing is left.
    let mut unknown = codec::encode(&envelope(Command::NewEpoch)).unwrap();
    unknown.truncate(unknown.len() - 3);
    unknown.extend([0xc2, 0x07, 0x00]);
    assert_eq!(halt(&mut state, &unknown), "log entry 1 can't be decoded: it has no command that this build knows");
    assert_eq!(state, State::default(), "a halt changes nothing");
}

#[test]
fn a_command_above_the_limit_is_not_proposed() {
    let mut request = definition("web", 1, 1);
    request.container_definitions[0].image = Some("x".repeat(drydock_state::command::ENVELOPE_BYTES_MAX));
    let error = codec::encode(&envelope(Command::RegisterTaskDefinition(Box::new(request)))).unwrap_err();
    assert!(error.to_string().ends_with("is above the limit of 524288"), "{error}");
}

#[test]
fn an_entry_of_another_term_is_superseded() {
    let mut world = World::default();
    world.cluster("default");
    let digest = world.state.digest();
    let index = world.state.applied_index() + 1;
    let envelope = world.envelope(Command::RegisterTaskDefinition(Box::new(definition("web", 1, 6))));
    let applied = world.state.apply(index, world.term + 1, &envelope).unwrap();
    assert_eq!(applied.outcome, Outcome::Superseded);
    assert_eq!(world.state.digest(), digest);
    assert_eq!(world.state.applied_index(), index, "the log goes on");
    assert!(matches!(world.state.apply(index, world.term, &envelope), Err(Halt::OutOfOrder { .. })));
}

#[test]
fn the_logs_time_never_goes_back() {
    let mut world = World::default();
    world.cluster("default");
    world.now = EPOCH_MS + 50;
    world.apply(Command::NewEpoch);
    world.now = EPOCH_MS + 20;
    world.apply(Command::NewEpoch);
    assert_eq!(world.state.now(), EPOCH_MS + 50);
    assert_eq!(world.state.epoch(), 1);
}

#[test]
fn a_replica_that_differs_halts_with_evidence() {
    let mut world = World::default();
    world.cluster("default");
    for _ in 0..CHECKPOINT_EVERY {
        world.apply(Command::NewEpoch);
    }
    let (index, digest) = world.state.latest_checkpoint().unwrap();
    assert_eq!(index, CHECKPOINT_EVERY - 1);
    assert_eq!(world.apply(Command::Checkpoint { index, digest }), Outcome::Checked(true));
    assert_eq!(world.apply(Command::Checkpoint { index: 3, digest }), Outcome::Checked(false));
    match world.try_apply(Command::Checkpoint { index, digest: digest ^ 1 }) {
        Err(Halt::Diverged { index: at, ours, leaders, .. }) => {
            assert_eq!((at, ours, leaders), (index, digest, digest ^ 1));
        }
        other => panic!("{other:?}"),
    }
}

fn filled() -> World {
    let mut world = World::default();
    world.cluster("default");
    for line in ["register web cpu=1 memory=6", "join a", "join b", "service web td=web desired=9"] {
        step(&mut world, line);
    }
    for at in 0..200 {
        step(&mut world, if at % 2 == 0 { "run web on=a token=T" } else { "plan create web on=b" });
    }
    world
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let world = filled();
    let chunks: Vec<Vec<u8>> = world.state.export().collect();
    assert_eq!(State::import(&chunks).unwrap(), world.state);
    let refused = |chunks: &[Vec<u8>]| State::import(chunks).unwrap_err();
    assert!(matches!(refused(&[]), ImportError::Incomplete(_)));
    assert!(matches!(refused(&chunks[1..]), ImportError::Incomplete(_)));
    assert!(matches!(refused(&chunks[..chunks.len() - 1]), ImportError::Incomplete(_)));
    assert!(matches!(refused(&[&chunks[..], &chunks[..1]].concat()), ImportError::Incomplete(_)));
    // A byte of a row that isn't its framing: the rows can still be read, and their digest tells.
    let mut damaged = chunks.clone();
    let at = damaged[1].windows(7).position(|bytes| bytes == b"busybox").unwrap();
    damaged[1][at] = b'c';
    assert!(matches!(refused(&damaged), ImportError::Digest { .. }));
    let mut cut = chunks;
    cut[1].pop();
    assert!(matches!(refused(&cut), ImportError::Unreadable { chunk: 1, .. }));
}

#[test]
fn chunks_are_bounded() {
    let world = filled();
    let sizes: Vec<usize> = world.state.export().map(|chunk| chunk.len()).collect();
    assert!(sizes.iter().all(|size| *size < drydock_state::CHUNK_BYTES * 2), "{sizes:?}");
}

#[test]
fn settings_have_bounds() {
    let mut world = World::default();
    let settings = Settings { instance_lost_after_ms: 5_000, ..Settings::default() };
    assert_eq!(world.apply(Command::PutSettings(settings)), Outcome::Done);
    assert_eq!(*world.state.settings(), settings);
    let wrong = Settings { task_stop_limit_ms: 0, ..settings };
    assert!(world.apply(Command::PutSettings(wrong)).refused().is_some());
    assert_eq!(*world.state.settings(), settings);
}
