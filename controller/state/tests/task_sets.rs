//! The rules of EXTERNAL services and their task sets, each as a script with what must come of it (ecs-semantics §2.3,
//! Controllers).
#![allow(clippy::unwrap_used)]

mod common;

use common::script::check;
use expect_test::expect;

// rule: 2.3/task-sets-instead, 2.3/task-set-external-only, 2.3/external-update
#[test]
fn a_service_without_tasks_of_its_own() {
    check(
        "register web
         external web desired=4
         external web desired=4
         external web desired=5
         external two token=T
         external two token=T
         service web td=web desired=4
         update web td=web
         update web min=50
         update web force
         update web desired=2
         events
         service own td=web desired=1
         task-set own td=web
         task-set nothing td=web
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            external web desired=4
                service web ACTIVE
            external web desired=4
                service web ACTIVE
            external web desired=5
                refused: InvalidParameterException: Creation of service was not idempotent.
            external two token=T
                service two ACTIVE
            external two token=T
                service two ACTIVE
            service web td=web desired=4
                refused: InvalidParameterException: Creation of service was not idempotent.
            update web td=web
                refused: InvalidParameterException: Unable to update task definition on services with an EXTERNAL deployment controller. Use CreateTaskSet to create a new task set.
            update web min=50
                refused: InvalidParameterException: Unable to update deployment configuration on services with an EXTERNAL deployment controller.
            update web force
                refused: InvalidParameterException: Cannot force a new deployment on services with an EXTERNAL deployment controller. Use CreateTaskSet to create a new task set.
            update web desired=2
                service web ACTIVE
            events
            service own td=web desired=1
                service own ACTIVE
            task-set own td=web
                refused: InvalidParameterException: Amazon ECS only supports task set management on services configured to use external deployment controllers.
            task-set nothing td=web
                refused: ServiceNotFoundException: Service not found.
            show
                cluster pending=0 running=0 services=3 instances=0
                service own ACTIVE desired=1 pending=0 running=0 generation=1
                  #2 PENDING IN_PROGRESS primary web:1 live=0 from=[]
                service two ACTIVE desired=0 pending=0 running=0 generation=1
                service web ACTIVE desired=2 pending=0 running=0 generation=2
        "#]],
    );
}

// rule: 2.3/task-set-limit, 2.3/task-set-token
#[test]
fn a_task_set_is_created_once_and_five_are_the_most() {
    check(
        "register web
         external web desired=3
         task-set web td=web scale=50 token=T external=blue
         task-set web td=web scale=50 token=T external=blue
         task-set web td=web scale=60 token=T external=blue
         task-set web td=nothing
         task-set web td=web
         task-set web td=web scale=100.5
         task-set web td=web scale=33.3
         task-set web td=web scale=0.01
         task-set web td=web
         task-set web td=web
         show
         delete-set web s2
         task-set web td=web
         plan set s2 drained
         task-set web td=web
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            external web desired=3
                service web ACTIVE
            task-set web td=web scale=50 token=T external=blue
                s1 ACTIVE
            task-set web td=web scale=50 token=T external=blue
                s1 ACTIVE
            task-set web td=web scale=60 token=T external=blue
                refused: InvalidParameterException: Creation of task set was not idempotent.
            task-set web td=nothing
                refused: ClientException: TaskDefinition not found.
            task-set web td=web
                s2 ACTIVE
            task-set web td=web scale=100.5
                refused: InvalidParameterException: Scale value must be between 0 and 100.
            task-set web td=web scale=33.3
                s3 ACTIVE
            task-set web td=web scale=0.01
                s4 ACTIVE
            task-set web td=web
                s5 ACTIVE
            task-set web td=web
                refused: InvalidParameterException: 5 deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit.
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=3 pending=0 running=0 generation=6
                  s1 ACTIVE web:1 50% wants=2 pending=0 running=0 live=0 STABILIZING external=blue
                  s2 ACTIVE web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  s3 ACTIVE web:1 33.3% wants=1 pending=0 running=0 live=0 STABILIZING
                  s4 ACTIVE web:1 0.01% wants=1 pending=0 running=0 live=0 STABILIZING
                  s5 ACTIVE web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web) updated computedDesiredCount for taskSet s3 to 1.
                  event (service web) updated computedDesiredCount for taskSet s4 to 1.
            delete-set web s2
                s2 DRAINING
            task-set web td=web
                refused: InvalidParameterException: 5 deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit.
            plan set s2 drained
                applied 1
            task-set web td=web
                s6 ACTIVE
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=3 pending=0 running=0 generation=8
                  s1 ACTIVE web:1 50% wants=2 pending=0 running=0 live=0 STABILIZING external=blue
                  s3 ACTIVE web:1 33.3% wants=1 pending=0 running=0 live=0 STABILIZING
                  s4 ACTIVE web:1 0.01% wants=1 pending=0 running=0 live=0 STABILIZING
                  s5 ACTIVE web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  s6 ACTIVE web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web) updated computedDesiredCount for taskSet s3 to 1.
                  event (service web) updated computedDesiredCount for taskSet s4 to 1.
        "#]],
    );
}

// rule: 2.3/task-set-scale
#[test]
fn scale_and_desired_count_make_the_computed_count() {
    check(
        "register web
         external web desired=3
         task-set web td=web scale=100
         plan set s1 steady
         scale-set web s1 100
         show
         scale-set web s1 50
         scale-set web s1 -1
         scale-set web s1 none
         scale-set web ecs-svc/7 50
         scale-set web arn:aws:ecs:eu-west-1:123456789012:task/default/7 50
         plan set s1 steady
         update web desired=4
         update web desired=5
         show
         plan set s1 steady version=1",
        &expect![[r#"
            register web
                web:1 ACTIVE
            external web desired=3
                service web ACTIVE
            task-set web td=web scale=100
                s1 ACTIVE
            plan set s1 steady
                applied 1
            scale-set web s1 100
                s1 ACTIVE
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=3 pending=0 running=0 generation=3
                  s1 ACTIVE web:1 100% wants=3 pending=0 running=0 live=0 STEADY_STATE
                  event (service web) updated computedDesiredCount for taskSet s1 to 3.
            scale-set web s1 50
                s1 ACTIVE
            scale-set web s1 -1
                refused: InvalidParameterException: Scale value must be between 0 and 100.
            scale-set web s1 none
                refused: InvalidParameterException: Scale must be specified.
            scale-set web ecs-svc/7 50
                refused: TaskSetNotFoundException: The specified task set was not found.
            scale-set web arn:aws:ecs:eu-west-1:123456789012:task/default/7 50
                refused: InvalidParameterException: Task Set Identifier is invalid
            plan set s1 steady
                applied 1
            update web desired=4
                service web ACTIVE
            update web desired=5
                service web ACTIVE
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=5 pending=0 running=0 generation=6
                  s1 ACTIVE web:1 50% wants=3 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 3.
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web) updated computedDesiredCount for taskSet s1 to 3.
            plan set s1 steady version=1
                applied 0  Changed
        "#]],
    );
}

// rule: 2.3/task-set-status, 2.3/task-set-delete
#[test]
fn one_is_primary_and_the_service_shows_what_it_runs() {
    check(
        "register web
         register web
         external web desired=2
         task-set web td=web:1 scale=100
         task-set web td=web:2 scale=100
         show
         primary web s1
         primary web s2
         show
         delete-set web s1
         scale-set web s1 0
         delete-set web s1
         delete-set web s1
         primary web s1
         scale-set web s1 10
         delete-set web s2
         delete-set web s2 force
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            register web
                web:2 ACTIVE
            external web desired=2
                service web ACTIVE
            task-set web td=web:1 scale=100
                s1 ACTIVE
            task-set web td=web:2 scale=100
                s2 ACTIVE
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=2 pending=0 running=0 generation=3
                  s1 ACTIVE web:1 100% wants=2 pending=0 running=0 live=0 STABILIZING
                  s2 ACTIVE web:2 100% wants=2 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web) updated computedDesiredCount for taskSet s2 to 2.
            primary web s1
                s1 PRIMARY
            primary web s2
                s2 PRIMARY
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=2 pending=0 running=0 generation=5
                  s1 ACTIVE web:1 100% wants=2 pending=0 running=0 live=0 STABILIZING
                  s2 PRIMARY web:2 100% wants=2 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web) updated computedDesiredCount for taskSet s2 to 2.
            delete-set web s1
                refused: InvalidParameterException: The task set cannot be deleted while it is scaled above 0.
            scale-set web s1 0
                s1 ACTIVE
            delete-set web s1
                s1 DRAINING
            delete-set web s1
                s1 DRAINING
            primary web s1
                refused: InvalidParameterException: The task set is DRAINING.
            scale-set web s1 10
                refused: InvalidParameterException: The task set is DRAINING.
            delete-set web s2
                refused: InvalidParameterException: The primary task set cannot be deleted. Make another one primary first, or use force.
            delete-set web s2 force
                s2 DRAINING
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=2 pending=0 running=0 generation=8
                  s1 DRAINING web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  s2 DRAINING web:2 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web) updated computedDesiredCount for taskSet s2 to 2.
                  event (service web) updated computedDesiredCount for taskSet s1 to 0.
                  event (service web) updated computedDesiredCount for taskSet s2 to 0.
        "#]],
    );
}

// rule: 2.3/task-set-delete
#[test]
fn tasks_of_a_task_set_and_its_end() {
    check(
        "register web
         join a
         external web desired=2
         task-set web td=web scale=100
         plan create web set=s1 on=a
         plan create web set=s1 on=a generation=1
         plan create web set=s1 on=a revision=9
         report t1 RUNNING
         show
         delete-set web s1
         delete-set web s1 force
         plan create web set=s1 on=a
         plan set s1 drained
         report t1 STOPPED
         show
         plan set s1 drained
         plan set s1 drained
         primary web s1
         show
         at 3600s
         reap
         at 7200s
         reap
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            external web desired=2
                service web ACTIVE
            task-set web td=web scale=100
                s1 ACTIVE
            plan create web set=s1 on=a
                applied 1 t1
            plan create web set=s1 on=a generation=1
                applied 0  Changed
            plan create web set=s1 on=a revision=9
                applied 0  NotAllowed
            report t1 RUNNING
            show
                cluster pending=0 running=1 services=1 instances=1
                instance a ACTIVE cpu=768 memory=896 tasks=1
                service web ACTIVE desired=2 pending=0 running=1 generation=2
                  s1 ACTIVE web:1 100% wants=2 pending=0 running=1 live=1 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web, taskSet s1) has started 1 tasks: (task t1).
                t1 v2 RUNNING -> RUNNING on a
            delete-set web s1
                refused: InvalidParameterException: The task set cannot be deleted while it is scaled above 0.
            delete-set web s1 force
                s1 DRAINING
            plan create web set=s1 on=a
                applied 0  NotAllowed
            plan set s1 drained
                applied 0  NotAllowed
            report t1 STOPPED
            show
                cluster pending=0 running=0 services=1 instances=1
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                service web ACTIVE desired=2 pending=0 running=0 generation=3
                  s1 DRAINING web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web, taskSet s1) has started 1 tasks: (task t1).
                  event (service web) updated computedDesiredCount for taskSet s1 to 0.
                t1 v3 STOPPED -> STOPPED on a EssentialContainerExited: Essential container in task exited
            plan set s1 drained
                applied 1
            plan set s1 drained
                applied 0  Done
            primary web s1
                refused: TaskSetNotFoundException: The specified task set was not found.
            show
                cluster pending=0 running=0 services=1 instances=1
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                service web ACTIVE desired=2 pending=0 running=0 generation=3
                  s1 DRAINING drained web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web, taskSet s1) has started 1 tasks: (task t1).
                  event (service web) updated computedDesiredCount for taskSet s1 to 0.
                t1 v3 STOPPED -> STOPPED on a EssentialContainerExited: Essential container in task exited
            at 3600s
            reap
                reaped 2
            at 7200s
            reap
                reaped 0
            show
                cluster pending=0 running=0 services=1 instances=1
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                service web ACTIVE desired=2 pending=0 running=0 generation=3
                  event (service web) updated computedDesiredCount for taskSet s1 to 2.
                  event (service web, taskSet s1) has started 1 tasks: (task t1).
                  event (service web) updated computedDesiredCount for taskSet s1 to 0.
                t1 gone
        "#]],
    );
}

// rule: 2.3/external-delete
#[test]
fn a_service_with_task_sets_is_deleted_by_force() {
    check(
        "register web
         join a
         external web desired=0
         task-set web td=web scale=100
         delete web
         update web desired=1
         plan create web set=s1 on=a
         delete web
         delete web force
         task-set web td=web
         show
         plan inactive web
         plan stop t1
         report t1 STOPPED
         plan inactive web
         show
         at 3600s
         reap
         at 7200s
         reap
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            external web desired=0
                service web ACTIVE
            task-set web td=web scale=100
                s1 ACTIVE
            delete web
                refused: InvalidParameterException: The service cannot be stopped while it has task sets. Delete them first, or use force.
            update web desired=1
                service web ACTIVE
            plan create web set=s1 on=a
                applied 1 t1
            delete web
                refused: InvalidParameterException: The service cannot be stopped while it is scaled above 0.
            delete web force
                service web DRAINING
            task-set web td=web
                refused: ServiceNotActiveException: Service was not ACTIVE.
            show
                cluster pending=1 running=0 services=0 instances=1
                instance a ACTIVE cpu=768 memory=896 tasks=1
                service web DRAINING desired=0 pending=1 running=0 generation=4
                  s1 DRAINING web:1 0% wants=0 pending=1 running=0 live=1 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 1.
                  event (service web, taskSet s1) has started 1 tasks: (task t1).
                  event (service web) updated computedDesiredCount for taskSet s1 to 0.
                t1 v1 PENDING -> RUNNING on a
            plan inactive web
                applied 0  NotAllowed
            plan stop t1
                applied 1
            report t1 STOPPED
            plan inactive web
                applied 1
            show
                cluster pending=0 running=0 services=0 instances=1
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                service web INACTIVE desired=0 pending=0 running=0 generation=4
                  s1 DRAINING web:1 0% wants=0 pending=0 running=0 live=0 STABILIZING
                  event (service web) updated computedDesiredCount for taskSet s1 to 1.
                  event (service web, taskSet s1) has started 1 tasks: (task t1).
                  event (service web) updated computedDesiredCount for taskSet s1 to 0.
                t1 v3 STOPPED -> STOPPED on a ServiceSchedulerInitiated: because
            at 3600s
            reap
                reaped 1
            at 7200s
            reap
                reaped 1
            show
                cluster pending=0 running=0 services=0 instances=1
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                t1 gone
        "#]],
    );
}
