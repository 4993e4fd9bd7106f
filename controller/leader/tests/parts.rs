//! A session from its hello on, and the reconcilers' turns, over a real state: what is wanted, step by step.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use drydock_leader::reconciler::Reconciler;
use drydock_leader::session::{Act, End, Input, Place, Session};
use drydock_leader::{Fate, Next, Sight};
use drydock_model::arn::Scope;
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{AgentMessage, Capacity, Hello, StopVerification};
use drydock_proto::ecs;
use drydock_state::command::SCHEMA;
use drydock_state::{Command, Envelope, Outcome, State};

fn scope() -> Scope {
    Scope { region: "us-east-1".to_owned(), account: "000000000000".to_owned() }
}

fn apply(state: &mut State, command: Command) -> Outcome {
    let (index, seed) = (state.applied_index() + 1, u128::from(state.applied_index()) + 7);
    let caller = "test".to_owned();
    let envelope = Envelope { epoch: 1, now_ms: 1_000, seed, schema: SCHEMA, scope: scope(), caller, command };
    state.apply(index, 1, &envelope).unwrap().outcome
}

/// A state with a cluster in it.
fn state() -> State {
    let mut state = State::default();
    apply(&mut state, Command::CreateCluster(Box::default()));
    state
}

fn says(message: Up) -> Input {
    Input::Message(Box::new(AgentMessage { message: Some(message) }))
}

fn hello() -> Up {
    Up::Hello(Hello {
        cluster: "default".to_owned(),
        instance_token: "t".to_owned(),
        capacity: Some(Capacity { cpu: 1_024, memory_mib: 1_024, ..Capacity::default() }),
        ..Hello::default()
    })
}

fn end(acts: &[Act]) -> Option<&End> {
    acts.iter().find_map(|act| if let Act::End(end) = act { Some(end) } else { None })
}

/// A session whose agent is welcome.
fn open(state: &mut State) -> Session {
    let mut session = Session::new(scope(), 0);
    assert!(matches!(session.step(says(hello()), state, 1)[..], [Act::Read]));
    let mut acts = session.step(Input::Confirmed(Ok(())), state, 2);
    let Some(Act::Propose(command)) = acts.pop() else { panic!("{acts:?}") };
    let outcome = apply(state, command);
    let acts = session.step(Input::Settled(Fate::Applied { index: 2, outcome }), state, 3);
    assert!(matches!(acts[..], [Act::Join(_)]), "{acts:?}");
    assert!(session.instance().is_none() && session.waits());
    let place = Place { heartbeat_ms: 5_000, controllers: vec!["c".to_owned()] };
    let acts = session.step(Input::Joined(Some(place)), state, 4);
    assert!(matches!(acts[..], [Act::Send(Down::Welcome(_)), Act::Send(Down::Manifest(_))]), "{acts:?}");
    assert!(session.instance().is_some() && !session.waits());
    session
}

#[test]
fn a_hello_registers_and_is_told_everything() {
    let mut state = state();
    let mut session = open(&mut state);
    assert!(session.step(Input::Changed, &state, 5).is_empty(), "nothing changed");
    let acts = session.step(says(hello()), &state, 6);
    assert!(matches!(end(&acts), Some(End::Malformed(_))), "a second hello: {acts:?}");
    assert!(session.step(Input::Changed, &state, 7).is_empty(), "it is over");
}

/// What happens, and which end it must have.
type Case = (&'static str, Vec<Input>, fn(&End) -> bool);

#[test]
fn a_session_ends_for_what_it_is() {
    let table: [Case; 5] = [
        ("no hello first", vec![says(Up::Heartbeat(Default::default()))], |end| matches!(end, End::Malformed(_))),
        ("silence", vec![Input::Tick], |end| *end == End::Silent),
        ("no leader any more", vec![says(hello()), Input::Confirmed(Err(Fate::Unavailable(String::new())))], |end| {
            *end == End::NotLeader
        }),
        ("it doesn't wait", vec![says(hello()), says(hello())], |end| matches!(end, End::Malformed(_))),
        (
            "not known whether it is written",
            vec![says(hello()), Input::Confirmed(Ok(())), Input::Settled(Fate::Unknown(String::new()))],
            |end| matches!(end, End::Unknown(_)),
        ),
    ];
    let state = state();
    for (what, inputs, fits) in table {
        let mut session = Session::new(scope(), 0);
        let mut acts = Vec::new();
        for input in inputs {
            acts = session.step(input, &state, 60_000);
        }
        assert!(end(&acts).is_some_and(fits), "{what}: {acts:?}");
    }
}

#[test]
fn what_may_stop_is_told_by_a_confirmed_state_alone() {
    let mut state = state();
    let mut session = open(&mut state);
    let task_arns = vec!["arn:aws:ecs:us-east-1:000000000000:task/default/0000000000000000000000000000002a".to_owned()];
    let asked = StopVerification { manifest_sequence: 3, task_arns: task_arns.clone() };
    assert!(matches!(session.step(says(Up::StopVerification(asked)), &state, 5)[..], [Act::Read]));
    assert!(session.waits());
    let acts = session.step(Input::Confirmed(Ok(())), &state, 6);
    let [Act::Send(Down::StopConfirm(confirm)), Act::Send(Down::Manifest(_))] = &acts[..] else { panic!("{acts:?}") };
    assert_eq!((&confirm.stop_task_arns, confirm.manifest_sequence), (&task_arns, 3));
    assert!(confirm.keep_task_arns.is_empty());
}

/// The command that is proposed at a time, if one is.
fn proposed(reconciler: &mut Reconciler, state: &State, now: u64) -> Option<Command> {
    match reconciler.next(&Sight { state, index: 1, now, now_ms: 2_000, seed: 9 }) {
        Next::Propose(proposal) => Some(proposal.command),
        _ => None,
    }
}

#[test]
fn a_plan_whose_fate_isn_t_known_is_not_decided_again_before_it_is() {
    let mut state = state();
    open(&mut state);
    let container_definitions = vec![ecs::ContainerDefinition {
        name: Some("app".to_owned()),
        image: Some("app".to_owned()),
        cpu: Some(128),
        memory: Some(128),
        ..Default::default()
    }];
    let family = Some("app".to_owned());
    let definition = ecs::RegisterTaskDefinitionRequest { family, container_definitions, ..Default::default() };
    apply(&mut state, Command::RegisterTaskDefinition(Box::new(definition)));
    let service = ecs::CreateServiceRequest {
        service_name: Some("web".to_owned()),
        task_definition: Some("app".to_owned()),
        desired_count: Some(1),
        ..Default::default()
    };
    apply(&mut state, Command::CreateService(Box::new(service)));
    let mut reconciler = Reconciler::new(&state);
    assert!(matches!(proposed(&mut reconciler, &state, 0), Some(Command::Plan(_))));
    reconciler.settled(&Fate::Unknown(String::new()), 1);
    // Whatever changes meanwhile.
    reconciler.mark(state.all_services().map(|row| drydock_state::Key::Service(row.key)).collect());
    assert_eq!(proposed(&mut reconciler, &state, 2), Some(Command::NewEpoch));
    reconciler.settled(&Fate::Overloaded(String::new()), 3);
    assert_eq!(proposed(&mut reconciler, &state, 4), None, "not at once");
    assert_eq!(proposed(&mut reconciler, &state, 1_000), Some(Command::NewEpoch));
    reconciler.settled(&Fate::Applied { index: 9, outcome: Outcome::Done }, 1_001);
    assert!(matches!(proposed(&mut reconciler, &state, 2_000), Some(Command::Plan(_))), "now it is decided again");
}
