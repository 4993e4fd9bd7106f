//! BLUE_GREEN from end to end, its stages, hooks, bake time and rollbacks, and early success criteria, by scripts
//! (ecs-semantics §2.3; the words are those of `support::script`).
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "tests read better so")]

mod support;

use expect_test::expect;
use support::script::check;

// rule: 2.3/strategies, 2.3/completion
#[test]
fn blue_and_green_run_beside_each_other_until_the_bake_time_is_over() {
    check(
        "
        instance 1@a
        service desired=2 strategy=BLUE_GREEN bake=5
        all RUNNING
        wait 40
        deploy
        all RUNNING
        wait 39
        wait 1
        wait 299
        wait 1
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=2 strategy=BLUE_GREEN bake=5
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP test=all production=all
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                c d2 @1 PENDING
                d d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task c) (task d).”
            all RUNNING
                c d2 @1 RUNNING
                d d2 @1 RUNNING
            wait 39
            wait 1
                ACTIVE d2 IN_PROGRESS BAKE_TIME test=all production=all
            wait 299
            wait 1
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS CLEAN_UP test=all production=all
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 COMPLETED CLEAN_UP test=all production=all
                “(deployment d2) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/hook-pause, 2.3/hooks-stages
#[test]
fn a_pause_hook_waits_for_somebody() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        configure strategy=BLUE_GREEN bake=0 hook=PRE_SCALE_UP,POST_SCALE_UP
        deploy
        continue
        continue
        all RUNNING
        wait 40
        continue rollback
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            configure strategy=BLUE_GREEN bake=0 hook=PRE_SCALE_UP,POST_SCALE_UP
            deploy
                ACTIVE d2 IN_PROGRESS PRE_SCALE_UP hook AWAITING_ACTION
                “(deployment d2) is paused at the lifecycle stage PRE_SCALE_UP by the hook HOOK.”
            continue
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            continue
                refused: InvalidParameterException: The hookId isn't that of a hook with the status AWAITING_ACTION.
            all RUNNING
                b d2 @1 RUNNING
            wait 40
                ACTIVE d2 IN_PROGRESS POST_SCALE_UP hook AWAITING_ACTION
                “(deployment d2) is paused at the lifecycle stage POST_SCALE_UP by the hook HOOK.”
            continue rollback
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 IN_PROGRESS CLEAN_UP hook FAILED d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: a rollback was requested.”
                “rolling back to deployment d1.”
                “has stopped 1 running tasks: (task b).”
            all STOPPED
                b d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 COMPLETED CLEAN_UP hook FAILED d2 ROLLBACK_SUCCESSFUL
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/hook-timeout
#[test]
fn a_hook_that_nobody_acts_on_ends_as_it_says() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        configure strategy=BLUE_GREEN bake=0 hook=PRE_SCALE_UP:2:CONTINUE hook=POST_SCALE_UP
        deploy
        wait 119
        wait 1
        all RUNNING
        wait 40
        wait 86399
        wait 1
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            configure strategy=BLUE_GREEN bake=0 hook=PRE_SCALE_UP:2:CONTINUE hook=POST_SCALE_UP
            deploy
                ACTIVE d2 IN_PROGRESS PRE_SCALE_UP hook AWAITING_ACTION
                “(deployment d2) is paused at the lifecycle stage PRE_SCALE_UP by the hook HOOK.”
            wait 119
            wait 1
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            all RUNNING
                b d2 @1 RUNNING
            wait 40
                ACTIVE d2 IN_PROGRESS POST_SCALE_UP hook AWAITING_ACTION
                “(deployment d2) is paused at the lifecycle stage POST_SCALE_UP by the hook HOOK.”
            wait 86399
            wait 1
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 IN_PROGRESS CLEAN_UP hook TIMED_OUT d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: a lifecycle hook timed out.”
                “rolling back to deployment d1.”
                “has stopped 1 running tasks: (task b).”
            all STOPPED
                b d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 COMPLETED CLEAN_UP hook TIMED_OUT d2 ROLLBACK_SUCCESSFUL
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/stop-service-deployment
#[test]
fn a_rollback_while_it_bakes_leaves_blue_alone() {
    check(
        "
        instance 1@a
        service desired=1 strategy=BLUE_GREEN bake=5
        all RUNNING
        wait 40
        deploy
        all RUNNING
        wait 40
        stop-deployment
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=1 strategy=BLUE_GREEN bake=5
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP test=all production=all
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            all RUNNING
                b d2 @1 RUNNING
            wait 40
                ACTIVE d2 IN_PROGRESS BAKE_TIME test=all production=all
            stop-deployment
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 IN_PROGRESS CLEAN_UP d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: a rollback was requested.”
                “rolling back to deployment d1.”
                “has stopped 1 running tasks: (task b).”
            all STOPPED
                b d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 COMPLETED CLEAN_UP d2 ROLLBACK_SUCCESSFUL
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/stage-limit
#[test]
fn a_stage_that_takes_more_than_a_day_is_rolled_back() {
    check(
        "
        instance 1@a
        service desired=1 strategy=BLUE_GREEN bake=0
        all RUNNING
        wait 40
        deploy checked
        b RUNNING
        wait 86399
        wait 1
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=1 strategy=BLUE_GREEN bake=0
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP test=all production=all
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy checked
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            b RUNNING
                b d2 @1 RUNNING
            wait 86399
            wait 1
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 IN_PROGRESS CLEAN_UP d2 ROLLBACK_IN_PROGRESS
                “(deployment d2) deployment failed: a stage of the deployment didn't end within its time.”
                “rolling back to deployment d1.”
                “has stopped 1 running tasks: (task b).”
            all STOPPED
                b d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d1 COMPLETED CLEAN_UP d2 ROLLBACK_SUCCESSFUL
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
        "#]],
    );
}

// rule: 2.3/stages
#[test]
fn what_an_earlier_deployment_left_is_reconciled_first() {
    check(
        "
        instance 1@a
        service desired=1
        all RUNNING
        wait 40
        deploy
        b RUNNING
        configure strategy=BLUE_GREEN bake=0 hook=RECONCILE_SERVICE
        deploy
        continue
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=1
                a d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task a).”
            all RUNNING
                a d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                b d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task b).”
            b RUNNING
                b d2 @1 RUNNING
            configure strategy=BLUE_GREEN bake=0 hook=RECONCILE_SERVICE
            deploy
                b d2 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d3 IN_PROGRESS RECONCILE_SERVICE hook AWAITING_ACTION
                “has stopped 1 running tasks: (task b).”
                “(deployment d3) is paused at the lifecycle stage RECONCILE_SERVICE by the hook HOOK.”
            continue
                ACTIVE d3 IN_PROGRESS RECONCILE_SERVICE hook SUCCEEDED
            all STOPPED
                c d3 @1 PENDING
                b d2 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d3 IN_PROGRESS SCALE_UP
                “has started 1 tasks: (task c).”
        "#]],
    );
}

// rule: 2.3/early-success, 2.3/early-success-cleanup
#[test]
fn early_success_takes_a_share_of_the_tasks_and_cleans_up_after_it() {
    check(
        "
        instance 1@a
        service desired=2 min=50 early=50:DEFERRED
        all RUNNING
        wait 40
        deploy
        c RUNNING
        wait 40
        wait 1209599
        wait 1
        ",
        expect![[r#"
            instance 1@a
            service desired=2 min=50 early=50:DEFERRED
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                c d2 @1 PENDING
                d d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task c) (task d).”
            c RUNNING
                c d2 @1 RUNNING
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 COMPLETED CLEAN_UP
                “has stopped 1 running tasks: (task a).”
                “(deployment d2) deployment completed.”
            wait 1209599
                e d2 @1 PENDING→STOPPED TaskFailedToStart
                f d2 @1 PENDING
                ACTIVE d2 COMPLETED CLEAN_UP failed=111
                “has started 1 tasks: (task 2881e7ab3b9dd838a3f213c302d669b7).”
                “has started 1 tasks: (task 1411b278feddf5ee9c1333f5c980e5df).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 6f211be7b429c7862446809ebd23c596).”
                “has started 1 tasks: (task 69237047af1da9f56664ca42e192544f).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task d39d3b1c23e99fc5b3ce85c8be3fc3b1).”
                “has started 1 tasks: (task c2e5b84e7b4cef2c23ba24d15eecac3e).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task dcb4006f207d19920b1a444627a2c20d).”
                “has started 1 tasks: (task 3cf55aa029b28c660cc0e6317e0be625).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 7b3f49499b17ab9d1b01ae3e396409e3).”
                “has started 1 tasks: (task de7af56b0b4c5c909adbe49889ea4f01).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task dd3eb0835ce8d2007a24108f3ce0cf3f).”
                “has started 1 tasks: (task a9bd1096afbb130f1c0b6b4b67064c4a).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 36252780ebce0aef87dadf070ce8801b).”
                “has started 1 tasks: (task 7424ebde788818a214d4ba3545d6fe98).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 913df6291c3b4fde66d5cea5f7264813).”
                “has started 1 tasks: (task bfd2c32da0b24f90cc5e4caafafa1ae6).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task caac08fe5e7bd6584b85188597f33d42).”
                “has started 1 tasks: (task 318964d6ef4dec9a95a2bcf662a6399c).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 72f1244d9e256124581252a76c69a470).”
                “has started 1 tasks: (task c2872391566d44df9518d9cfccece799).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 1458a6d92561ef81f173ee38dd035f50).”
                “has started 1 tasks: (task ed229e409f2814a3cf9e9b86f25840cc).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 02af37adc67e6068e4eac3fcabb7d338).”
                “has started 1 tasks: (task 8a1bbc60f2125678ac42ebe32074c3b6).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 5bd00ec4065e286c9f13ec39afa5277f).”
                “has started 1 tasks: (task dc9ec85ba95b49453932473819fbd1ee).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 2e252b9fe41f0198d37a4edc465cd9ff).”
                “has started 1 tasks: (task a4282ee13ba5dd8ba49617726c25b91a).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 7f778a9583f7c38610823a5224bccb0f).”
                “has started 1 tasks: (task 88803618007d3f25294566d616bcb10d).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 4d00d80214f5cb5b4842a9465b74f756).”
                “has started 1 tasks: (task f4f38630bdefc6245ac5472eb5d03802).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task bf02b928be3f2d4b7911384a35fb199b).”
                “has started 1 tasks: (task a4ebda68dc45edb86c892e50dc39ec6e).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task b93aa893376666087a1d0f687f1666f0).”
                “has started 1 tasks: (task ae3a0e29b4c0f1ec359b790c660440ed).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 719635ca3721aeb8d50d1221b6bda295).”
                “has started 1 tasks: (task f777fae9a074c6bf0f6646f788410ab5).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 779a679694684409f196dc390cb70ae0).”
                “has started 1 tasks: (task 71b4d532cc571a876d9432897b2b94d3).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task a1a6da3d5e0339717ccd3630b4fccd2e).”
                “has started 1 tasks: (task 49424c8aa7700889f5b03563c341fdb1).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 9a8516ff8d3900c432a151e89af55103).”
                “has started 1 tasks: (task d56d18ed2534f904070d5386b6e25458).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 77efd2280c8ff1ebcb13c535dd3c908d).”
                “has started 1 tasks: (task f202114f185c83dc8fe0081eed066285).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 8a70fdecc9cc4e7caba98d3a53a198e2).”
                “has started 1 tasks: (task 4049f97f5ae03603da8a33a81a82faf8).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 794c0423b1d634ef353e02b5f753e93e).”
                “has started 1 tasks: (task 31ed50c3678c9bcab85002f57cc0ffba).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 7c67e567dd095507eb4d9a486d7d6b89).”
                “has started 1 tasks: (task 62f015e42162f2b7925bf7207d304bca).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 40d3af261eb94cd086fe6d7498abdc02).”
                “has started 1 tasks: (task 5561c765332ccca9edefd0a3c04b73e2).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 0c7699473397ea6e972e55e0b369c975).”
                “has started 1 tasks: (task 002852f9a03ef11ac9bcb20f1c3e9327).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task a9554c5c8296273ee04fd6ed170df5c7).”
                “has started 1 tasks: (task 56e7cf7e69bc70232f0d01e9ee3d53fe).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task e01b931d266e42ea7c0332bde256d777).”
                “has started 1 tasks: (task b61fb9bbe2c94a3729559639491fc57e).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task 15a524ddb82df52f77ce97fedde1bc75).”
                “has started 1 tasks: (task e).”
                “is unable to consistently start tasks successfully.”
                “has started 1 tasks: (task f).”
            wait 1
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
        "#]],
    );
}

// rule: 2.3/early-success-cleanup
#[test]
fn early_success_that_blocks_removes_the_old_tasks_first() {
    check(
        "
        instance 1@a
        service desired=2 min=50 early=50:BLOCKING
        all RUNNING
        wait 40
        deploy
        c RUNNING
        wait 40
        all STOPPED
        ",
        expect![[r#"
            instance 1@a
            service desired=2 min=50 early=50:BLOCKING
                a d1 @1 PENDING
                b d1 @1 PENDING
                ACTIVE d1 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task a) (task b).”
            all RUNNING
                a d1 @1 RUNNING
                b d1 @1 RUNNING
            wait 40
                ACTIVE d1 COMPLETED CLEAN_UP
                “(deployment d1) deployment completed.”
                “has reached a steady state.”
            deploy
                c d2 @1 PENDING
                d d2 @1 PENDING
                ACTIVE d2 IN_PROGRESS SCALE_UP
                “has started 2 tasks: (task c) (task d).”
            c RUNNING
                c d2 @1 RUNNING
            wait 40
                a d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                b d1 @1 RUNNING→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 IN_PROGRESS CLEAN_UP
                “has stopped 2 running tasks: (task a) (task b).”
            all STOPPED
                a d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                b d1 @1 STOPPED→STOPPED ServiceSchedulerInitiated
                ACTIVE d2 COMPLETED CLEAN_UP
                “(deployment d2) deployment completed.”
        "#]],
    );
}
