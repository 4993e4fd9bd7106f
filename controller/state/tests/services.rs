//! The rules of services, deployments and plans, each as a script with what must come of it (ecs-semantics §2.3).
#![allow(clippy::unwrap_used)]

mod common;

use common::script::check;
use expect_test::expect;

// rule: 2.2/text-not-idempotent
#[test]
fn a_service_is_created_once() {
    check(
        "register web
         service web td=web desired=2
         events
         service web td=web desired=2
         service web td=web desired=3
         service web td=web desired=2 min=50
         service other td=web desired=1 token=T
         service other td=web desired=1 token=T
         service other td=web desired=2 token=T
         service none td=nothing desired=1
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            service web td=web desired=2
                service web ACTIVE
            events
                deployment web #2 INFO SERVICE_DEPLOYMENT_IN_PROGRESS
                action web INFO SERVICE_DEPLOYMENT_IN_PROGRESS
            service web td=web desired=2
                service web ACTIVE
            service web td=web desired=3
                refused: InvalidParameterException: Creation of service was not idempotent.
            service web td=web desired=2 min=50
                refused: InvalidParameterException: Creation of service was not idempotent.
            service other td=web desired=1 token=T
                service other ACTIVE
            service other td=web desired=1 token=T
                service other ACTIVE
            service other td=web desired=2 token=T
                refused: InvalidParameterException: Creation of service was not idempotent.
            service none td=nothing desired=1
                refused: ClientException: TaskDefinition not found.
            show
                cluster pending=0 running=0 services=2 instances=0
                service other ACTIVE desired=1 pending=0 running=0 generation=1
                  #4 PENDING IN_PROGRESS primary web:1 live=0 from=[]
                service web ACTIVE desired=2 pending=0 running=0 generation=1
                  #2 PENDING IN_PROGRESS primary web:1 live=0 from=[]
        "#]],
    );
}

// rule: 2.3/deploys-task-definition, 2.3/deploys-force, 2.3/deploys-not-desired-count, 2.3/deploys-not-percents
// rule: 2.2/text-service-not-found
#[test]
fn what_starts_a_deployment_and_what_does_not() {
    check(
        "register web
         service web td=web desired=2
         update web desired=3
         events
         update web min=50 max=150
         update web td=web:1
         show
         register web
         update web td=web
         events
         update web force
         show
         update web min=100 max=100
         update nothing desired=1",
        &expect![[r#"
            register web
                web:1 ACTIVE
            service web td=web desired=2
                service web ACTIVE
            update web desired=3
                service web ACTIVE
            events
            update web min=50 max=150
                service web ACTIVE
            update web td=web:1
                service web ACTIVE
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=3 pending=0 running=0 generation=4
                  #2 PENDING IN_PROGRESS primary web:1 live=0 from=[]
            register web
                web:2 ACTIVE
            update web td=web
                service web ACTIVE
            events
                deployment web #4 INFO SERVICE_DEPLOYMENT_IN_PROGRESS
                action web INFO SERVICE_DEPLOYMENT_IN_PROGRESS
            update web force
                service web ACTIVE
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=3 pending=0 running=0 generation=6
                  #2 STOPPED IN_PROGRESS web:1 live=0 from=[]
                  #4 STOPPED IN_PROGRESS web:2 live=0 from=[1]
                  #6 PENDING IN_PROGRESS primary web:2 live=0 from=[3]
            update web min=100 max=100
                refused: InvalidParameterException: Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.
            update nothing desired=1
                refused: ServiceNotFoundException: Service not found.
        "#]],
    );
}

// rule: 2.2/text-scaled-above-zero, 2.2/text-still-draining, 2.2/text-service-not-active
// rule: 2.2/text-service-not-found, 2.3/delete-needs-zero, 2.3/delete-draining, 2.3/delete-inactive
// rule: 2.1/stopped-kept-an-hour, 2.1/state-deleted, 2.2/inactive-services-described
#[test]
fn a_service_is_drained_and_its_name_used_again() {
    check(
        "register web
         join a
         service web td=web desired=1
         plan create web on=a
         report t1 RUNNING
         delete web
         delete web force
         update web desired=1
         service web td=web desired=1
         plan inactive web
         plan stop t1
         plan inactive web
         delete web
         service web td=web desired=1
         show
         report t1 STOPPED
         at 3600s
         reap
         at 7200s
         reap
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            join a
            service web td=web desired=1
                service web ACTIVE
            plan create web on=a
                applied 1 t1
            report t1 RUNNING
            delete web
                refused: InvalidParameterException: The service cannot be stopped while it is scaled above 0.
            delete web force
                service web DRAINING
            update web desired=1
                refused: ServiceNotActiveException: Service was not ACTIVE.
            service web td=web desired=1
                refused: InvalidParameterException: Unable to Start a service that is still Draining.
            plan inactive web
                applied 0  NotAllowed
            plan stop t1
                applied 1
            plan inactive web
                applied 1
            delete web
                refused: ServiceNotFoundException: Service not found.
            service web td=web desired=1
                service web ACTIVE
            show
                cluster pending=0 running=0 services=1 instances=1
                instance a ACTIVE cpu=768 memory=896 tasks=1
                service web ACTIVE desired=1 pending=0 running=0 generation=1
                  #4 PENDING IN_PROGRESS primary web:1 live=0 from=[]
                t1 v3 RUNNING -> STOPPED on a ServiceSchedulerInitiated: because
            report t1 STOPPED
            at 3600s
            reap
                reaped 1
            at 7200s
            reap
                reaped 1
            show
                cluster pending=0 running=0 services=1 instances=1
                instance a ACTIVE cpu=1024 memory=1024 tasks=0
                service web ACTIVE desired=1 pending=0 running=0 generation=1
                  #4 PENDING IN_PROGRESS primary web:1 live=0 from=[]
                t1 gone
        "#]],
    );
}

// rule: 2.3/events-suppressed, 2.3/event-started
#[test]
fn plans_check_each_change_by_itself() {
    check(
        "register web cpu=600
         join a
         service web td=web desired=2
         plan create web on=a generation=7
         plan create web on=a deployment=9
         plan create web on=a revision=9
         plan create web on=a
         plan create web on=a
         plan lost t1
         plan stop t1 reason=Scaling_activity
         plan stop t1
         plan lost t1 anyway
         plan lost t1 anyway
         drain a
         plan create web on=a
         plan event web has begun
         plan event web has begun
         plan event web has ended
         at 21601s
         plan event web has ended
         plan deployment web version=9 rollout=COMPLETED
         plan deployment web rollout=COMPLETED status=SUCCESSFUL
         events
         plan deployment web status=IN_PROGRESS
         plan deployment web rollout=COMPLETED
         show",
        &expect![[r#"
            register web cpu=600
                web:1 ACTIVE
            join a
            service web td=web desired=2
                service web ACTIVE
            plan create web on=a generation=7
                applied 0  Changed
            plan create web on=a deployment=9
                applied 0  Missing
            plan create web on=a revision=9
                applied 0  NotAllowed
            plan create web on=a
                applied 1 t1
            plan create web on=a
                applied 0  DoesNotFit
            plan lost t1
                applied 0  Changed
            plan stop t1 reason=Scaling_activity
                applied 1
            plan stop t1
                applied 0  Done
            plan lost t1 anyway
                applied 1
            plan lost t1 anyway
                applied 0  Done
            drain a
            plan create web on=a
                applied 0  DoesNotFit
            plan event web has begun
                applied 1
            plan event web has begun
                applied 0  Done
            plan event web has ended
                applied 1
            at 21601s
            plan event web has ended
                applied 1
            plan deployment web version=9 rollout=COMPLETED
                applied 0  Changed
            plan deployment web rollout=COMPLETED status=SUCCESSFUL
                applied 1
            events
                deployment web #2 INFO SERVICE_DEPLOYMENT_COMPLETED
                action web INFO SERVICE_DEPLOYMENT_COMPLETED
            plan deployment web status=IN_PROGRESS
                applied 0  NotAllowed
            plan deployment web rollout=COMPLETED
                applied 0  Done
            show
                cluster pending=0 running=0 services=1 instances=1
                instance a DRAINING cpu=1024 memory=1024 tasks=0
                service web ACTIVE desired=2 pending=0 running=0 generation=1
                  #2 SUCCESSFUL COMPLETED primary web:1 live=0 from=[]
                  event (service web) has started 1 tasks: (task t1).
                  event (service web) has begun
                  event (service web) has ended
                  event (service web) has ended
                t1 v3 STOPPED -> STOPPED on a ServiceSchedulerInitiated: Scaling activity
        "#]],
    );
}

// rule: 2.3/breaker-rollback-target, 2.3/breaker-rollback-in-progress
#[test]
fn a_rollback_goes_to_a_completed_deployment_once() {
    check(
        "register web
         register web
         service web td=web:1 desired=1
         plan deployment web rollout=COMPLETED status=SUCCESSFUL
         update web td=web:2
         plan deployment web rollout=FAILED status=ROLLBACK_IN_PROGRESS rollback=2
         events
         show
         plan deployment web rollback=2
         plan deployment web deployment=2 rollout=COMPLETED
         plan deployment web status=ROLLBACK_SUCCESSFUL
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            register web
                web:2 ACTIVE
            service web td=web:1 desired=1
                service web ACTIVE
            plan deployment web rollout=COMPLETED status=SUCCESSFUL
                applied 1
            update web td=web:2
                service web ACTIVE
            plan deployment web rollout=FAILED status=ROLLBACK_IN_PROGRESS rollback=2
                applied 1
            events
                deployment web #4 ERROR SERVICE_DEPLOYMENT_FAILED
                action web ERROR SERVICE_DEPLOYMENT_FAILED
                deployment web #2 INFO SERVICE_DEPLOYMENT_IN_PROGRESS
                action web INFO SERVICE_DEPLOYMENT_IN_PROGRESS
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=1 pending=0 running=0 generation=2
                  #2 SUCCESSFUL IN_PROGRESS primary web:1 live=0 from=[]
                  #4 ROLLBACK_IN_PROGRESS FAILED web:2 live=0 from=[1]
            plan deployment web rollback=2
                applied 0  Done
            plan deployment web deployment=2 rollout=COMPLETED
                applied 1
            plan deployment web status=ROLLBACK_SUCCESSFUL
                applied 1
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=1 pending=0 running=0 generation=2
                  #2 SUCCESSFUL COMPLETED primary web:1 live=0 from=[]
                  #4 ROLLBACK_SUCCESSFUL FAILED web:2 live=0 from=[1]
        "#]],
    );
}

#[test]
fn ended_deployments_are_reaped_and_the_named_ones_stay() {
    check(
        "register web
         service web td=web desired=0
         update web force
         update web force
         plan deployment web rollout=COMPLETED status=SUCCESSFUL
         at 3600s
         reap
         show",
        &expect![[r#"
            register web
                web:1 ACTIVE
            service web td=web desired=0
                service web ACTIVE
            update web force
                service web ACTIVE
            update web force
                service web ACTIVE
            plan deployment web rollout=COMPLETED status=SUCCESSFUL
                applied 1
            at 3600s
            reap
                reaped 2
            show
                cluster pending=0 running=0 services=1 instances=0
                service web ACTIVE desired=0 pending=0 running=0 generation=3
                  #6 SUCCESSFUL COMPLETED primary web:1 live=0 from=[3]
        "#]],
    );
}
