//! The rules of apply as short fixtures: what each command answers, and what there is afterwards.
#![allow(clippy::unwrap_used)]

mod common;

use common::script::check;
use expect_test::expect;

// rule: 2.1/states-in-order, 2.1/version-counter, 2.1/stop-code-user, 2.1/reason-stop-task
#[test]
fn a_task_goes_forward_only_and_gives_back_what_it_took_once() {
    check(
        "register web cpu=256 memory=128
         join a
         run web on=a,a
         events
         report t1,t2 PENDING
         report t1 RUNNING
         report t1 PENDING
         report t2 RUNNING seq=1
         show
         stop t1 reason=enough
         stop t1 reason=again
         show
         report t1 STOPPED exit=0
         report t1 RUNNING
         show",
        &expect![[r#"
            register web cpu=256 memory=128
                web:1 ACTIVE
            join a
            run web on=a,a
                tasks t1 t2
            events
                task t1 v1 PENDING -> RUNNING
                instance a v2 ACTIVE connected=true cpu=768 running=0 pending=1
                task t2 v1 PENDING -> RUNNING
                instance a v3 ACTIVE connected=true cpu=512 running=0 pending=2
            report t1,t2 PENDING
            report t1 RUNNING
            report t1 PENDING
            report t2 RUNNING seq=1
            show
                cluster pending=1 running=1 services=0 instances=1
                instance a ACTIVE cpu=512 memory=768 tasks=2
                t1 v2 RUNNING -> RUNNING on a
                t2 v1 PENDING -> RUNNING on a
            stop t1 reason=enough
                t1 RUNNING -> STOPPED
            stop t1 reason=again
                t1 RUNNING -> STOPPED
            show
                cluster pending=1 running=0 services=0 instances=1
                instance a ACTIVE cpu=512 memory=768 tasks=2
                t1 v3 RUNNING -> STOPPED on a UserInitiated: enough
                t2 v1 PENDING -> RUNNING on a
            report t1 STOPPED exit=0
            report t1 RUNNING
            show
                cluster pending=1 running=0 services=0 instances=1
                instance a ACTIVE cpu=768 memory=896 tasks=1
                t1 v4 STOPPED -> STOPPED on a UserInitiated: enough exit 0
                t2 v1 PENDING -> RUNNING on a
        "#]],
    );
}

// rule: 2.1/stop-code-essential-exited, 2.1/stop-code-failed-to-start, 2.1/reason-essential-exited
#[test]
fn an_agent_ends_a_task_by_itself() {
    check(
        "register web
         join a
         run web on=a,a,a
         report t1,t2 RUNNING
         report t1 STOPPING
         show
         report t1 STOPPED exit=0
         report t2 STOPPED exit=137 reason=OutOfMemoryError:_killed
         report t3 STOPPED code=TaskFailedToStart reason=CannotPullContainerError:_no_such_image
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            run web on=a,a,a
                tasks t1 t2 t3
            report t1,t2 RUNNING
            report t1 STOPPING
            show
                cluster pending=1 running=1 services=0 instances=1
                instance a ACTIVE cpu=256 memory=640 tasks=3
                t1 v3 STOPPING -> STOPPED on a EssentialContainerExited: Essential container in task exited
                t2 v2 RUNNING -> RUNNING on a
                t3 v1 PENDING -> RUNNING on a
            report t1 STOPPED exit=0
            report t2 STOPPED exit=137 reason=OutOfMemoryError:_killed
            report t3 STOPPED code=TaskFailedToStart reason=CannotPullContainerError:_no_such_image
            show
                cluster pending=0 running=0 services=0 instances=1
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                t1 v4 STOPPED -> STOPPED on a EssentialContainerExited: Essential container in task exited exit 0
                t2 v3 STOPPED -> STOPPED on a EssentialContainerExited: OutOfMemoryError: killed exit 137
                t3 v2 STOPPED -> STOPPED on a TaskFailedToStart: CannotPullContainerError: no such image
        "#]],
    );
}

// rule: 2.1/reason-stop-task
#[test]
fn what_no_agent_took_up_ends_at_once_where_the_agent_is_away() {
    check(
        "register web
         join a
         run web on=a,a
         report t2 PENDING
         disconnect a
         stop t1
         stop t2
         show
         plan lost t2
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            run web on=a,a
                tasks t1 t2
            report t2 PENDING
            disconnect a
            stop t1
                t1 STOPPED -> STOPPED
            stop t2
                t2 PENDING -> STOPPED
            show
                cluster pending=0 running=0 services=0 instances=1
                instance a ACTIVE away cpu=768 memory=896 tasks=1
                t1 v2 STOPPED -> STOPPED on a UserInitiated: Task stopped by user
                t2 v2 PENDING -> STOPPED on a UserInitiated: Task stopped by user
            plan lost t2
                applied 1
            show
                cluster pending=0 running=0 services=0 instances=1
                instance a ACTIVE away cpu=1024 memory=1024 tasks=0
                t1 v2 STOPPED -> STOPPED on a UserInitiated: Task stopped by user
                t2 v3 STOPPED -> STOPPED on a UserInitiated: Task stopped by user
        "#]],
    );
}

#[test]
fn reports_count_only_from_the_tasks_own_instance() {
    check(
        "register web
         join a
         join b
         run web on=a
         report t1 RUNNING from=b
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            join b
            run web on=a
                tasks t1
            report t1 RUNNING from=b
            show
                cluster pending=1 running=0 services=0 instances=2
                instance b ACTIVE cpu=1024 memory=1024 tasks=0
                instance a ACTIVE cpu=768 memory=896 tasks=1
                t1 v1 PENDING -> RUNNING on a
        "#]],
    );
}

// rule: 2.2/text-definition-not-found, 2.2/text-cluster-not-found
#[test]
fn run_task_is_bound_by_the_leader_and_checked_again() {
    check(
        "register web cpu=600
         register ported cpu=10 port=8080
         join a
         run web on=a,a
         run ported on=a,a
         run ported on=a,nowhere
         run ported on=a
         disconnect a
         run ported on=a
         run nothing on=a
         run web:7 on=a
         run web on=a cluster=other",
        &expect![[r#"
            register web cpu=600
                web:1 ACTIVE
            register ported cpu=10 port=8080
                ported:1 ACTIVE
            join a
            run web on=a,a
                rebind 1
            run ported on=a,a
                rebind 1
            run ported on=a,nowhere
                tasks t1 failures RESOURCE:CPU
            run ported on=a
                rebind 1
            disconnect a
            run ported on=a
                rebind 1
            run nothing on=a
                refused: ClientException: TaskDefinition not found.
            run web:7 on=a
                refused: ClientException: TaskDefinition not found.
            run web on=a cluster=other
                refused: ClusterNotFoundException: Cluster not found.
        "#]],
    );
}

// rule: 2.2/client-token-conflict
#[test]
fn a_client_token_gives_the_same_answer_again() {
    check(
        "register web
         join a
         run web on=a token=T
         run web on=a token=T
         run web on=a token=T by=me
         run web on=a token=U
         at 3601s
         reap
         run web on=a token=T by=me",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            run web on=a token=T
                tasks t1
            run web on=a token=T
                tasks t1
            run web on=a token=T by=me
                refused: ConflictException: The RunTask request could not be processed due to conflicts with a previous request that had the same clientToken.
            run web on=a token=U
                tasks t2
            at 3601s
            reap
                reaped 2
            run web on=a token=T by=me
                tasks t3
        "#]],
    );
}

// rule: 2.4/start-task-failures
#[test]
fn start_task_tells_what_each_instance_lacks() {
    check(
        "register web cpu=600
         register wants-attribute
         join a
         join b
         join c
         disconnect b
         drain c
         start web on=a,a,b,c,nowhere
         show",
        &expect![[r#"
            register web cpu=600
                web:1 ACTIVE
            register wants-attribute
                wants-attribute:1 ACTIVE
            join a
            join b
            join c
            disconnect b
            drain c
            start web on=a,a,b,c,nowhere
                tasks t1 failures RESOURCE:CPU AGENT INACTIVE MISSING
            show
                cluster pending=1 running=0 services=0 instances=3
                instance c DRAINING cpu=1024 memory=1024 tasks=0
                instance b ACTIVE away cpu=1024 memory=1024 tasks=0
                instance a ACTIVE cpu=424 memory=896 tasks=1
                t1 v1 PENDING -> RUNNING on a
        "#]],
    );
}

// rule: 2.2/text-task-not-found
#[test]
fn stop_task_of_an_unknown_task() {
    check(
        "stop 00000000000000000000000000000000",
        &expect![[r#"
        stop 00000000000000000000000000000000
            refused: InvalidParameterException: The referenced task was not found.
    "#]],
    );
}

// rule: 2.2/cluster-contains, 2.2/text-cluster-inactive, 2.4/deregister-force
#[test]
fn a_cluster_is_not_deleted_while_it_contains_anything() {
    check(
        "register web
         join a
         delete-cluster default
         service web td=web desired=0
         run web on=a
         report t1 RUNNING
         deregister a
         deregister a force
         delete-cluster default
         delete web
         delete-cluster default
         plan inactive web
         delete-cluster default
         delete-cluster default
         create-cluster default
         delete-cluster nothing",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            delete-cluster default
                refused: ClusterContainsContainerInstancesException: The Cluster cannot be deleted while Container Instances are active or draining.
            service web td=web desired=0
                service web ACTIVE
            run web on=a
                tasks t1
            report t1 RUNNING
            deregister a
                refused: InvalidParameterException: Found running tasks on the instance.
            deregister a force
            delete-cluster default
                refused: ClusterContainsServicesException: The Cluster cannot be deleted while Services are active.
            delete web
                service web DRAINING
            delete-cluster default
                refused: ClusterContainsServicesException: The Cluster cannot be deleted while Services are active.
            plan inactive web
                applied 1
            delete-cluster default
                cluster default INACTIVE
            delete-cluster default
                refused: ClusterNotFoundException: The referenced cluster was inactive.
            create-cluster default
                cluster default ACTIVE
            delete-cluster nothing
                refused: ClusterNotFoundException: Cluster not found.
        "#]],
    );
}

// rule: 2.2/revisions-count-up, 2.2/deregister-inactive, 2.2/delete-needs-inactive
#[test]
fn task_definitions_are_counted_up_for_ever() {
    check(
        "register web
         register web
         deregister-td web:2
         deregister-td web:2
         delete-td web:1
         delete-td web:2
         delete-td web:9
         reap
         register web
         deregister-td web
         deregister-td web:2",
        &expect![[r#"
            register web
                web:1 ACTIVE
            register web
                web:2 ACTIVE
            deregister-td web:2
                web:2 INACTIVE
            deregister-td web:2
                web:2 INACTIVE
            delete-td web:1
                deleting 0 The specified task definition is still in ACTIVE status. Please deregister the target and try again.
            delete-td web:2
                deleting 1
            delete-td web:9
                deleting 0 The specified task definition does not exist. Specify a valid account, family, revision and try again.
            reap
                reaped 1
            register web
                web:3 ACTIVE
            deregister-td web
                refused: ClientException: A revision must be specified: 'web'.
            deregister-td web:2
                refused: ClientException: TaskDefinition not found.
        "#]],
    );
}

// rule: 2.2/delete-in-progress, 2.2/deregister-inactive, 2.2/text-definition-inactive
#[test]
fn a_deleted_definition_stays_while_something_uses_it() {
    check(
        "register web
         join a
         run web on=a
         deregister-td web:1
         run web on=a
         run web:1 on=a
         delete-td web:1
         reap
         report t1 STOPPED
         at 3600s
         reap
         reap
         at 7200s
         reap",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            run web on=a
                tasks t1
            deregister-td web:1
                web:1 INACTIVE
            run web on=a
                refused: ClientException: TaskDefinition not found.
            run web:1 on=a
                refused: ClientException: TaskDefinition is inactive
            delete-td web:1
                deleting 1
            reap
                reaped 0
            report t1 STOPPED
            at 3600s
            reap
                reaped 2
            reap
                reaped 0
            at 7200s
            reap
                reaped 0
        "#]],
    );
}

// rule: 2.4/agent-disconnected, 2.4/agent-heartbeat
#[test]
fn instances_drain_disconnect_and_leave() {
    check(
        "register web
         join a cpu=1024
         join b
         run web on=a
         drain a
         events
         run web on=a
         activate a
         disconnect a
         events
         due
         at 120s
         due
         connect a
         due
         join a cpu=2048
         join a cpu=100
         deregister a
         deregister b
         show
         at 3720s
         reap
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a cpu=1024
            join b
            run web on=a
                tasks t1
            drain a
            events
                instance a v3 DRAINING connected=true cpu=768 running=0 pending=1
            run web on=a
                rebind 1
            activate a
            disconnect a
            events
                instance a v5 ACTIVE connected=false cpu=768 running=0 pending=1
            due
            at 120s
            due
                120s
            connect a
            due
            join a cpu=2048
            join a cpu=100
            deregister a
                refused: InvalidParameterException: Found running tasks on the instance.
            deregister b
            show
                cluster pending=1 running=0 services=0 instances=1
                instance b INACTIVE away cpu=1024 memory=1024 tasks=0
                instance a ACTIVE cpu=1792 memory=896 tasks=1
                t1 v1 PENDING -> RUNNING on a
            at 3720s
            reap
                reaped 1
            show
                cluster pending=1 running=0 services=0 instances=1
                instance a ACTIVE cpu=1792 memory=896 tasks=1
                t1 v1 PENDING -> RUNNING on a
        "#]],
    );
}

#[test]
fn a_reset_leaves_the_agents_and_nothing_on_them() {
    check(
        "register web cpu=256 memory=128
         join a
         join b zone=b
         service shop td=web desired=1
         run web on=a,a,b
         report t1 RUNNING
         drain b
         create-cluster other
         reset
         report t1 STOPPED exit=0
         show
         run web on=a
         register web cpu=256 memory=128
         run web on=a,b
         show",
        &expect![[r#"
            register web cpu=256 memory=128
                web:1 ACTIVE
            join a
            join b zone=b
            service shop td=web desired=1
                service shop ACTIVE
            run web on=a,a,b
                tasks t1 t2 t3
            report t1 RUNNING
            drain b
            create-cluster other
                cluster other ACTIVE
            reset
            report t1 STOPPED exit=0
            show
                cluster pending=0 running=0 services=0 instances=2
                instance b ACTIVE cpu=1024 memory=1024 tasks=0
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                t1 gone
                t2 gone
                t3 gone
            run web on=a
                refused: ClientException: TaskDefinition not found.
            register web cpu=256 memory=128
                web:1 ACTIVE
            run web on=a,b
                tasks t4 t5
            show
                cluster pending=2 running=0 services=0 instances=2
                instance b ACTIVE cpu=768 memory=896 tasks=1
                instance a ACTIVE cpu=768 memory=896 tasks=1
                t1 gone
                t2 gone
                t3 gone
                t4 v1 PENDING -> RUNNING on a
                t5 v1 PENDING -> RUNNING on b
        "#]],
    );
}
