//! Platforms that depart from the standard.

use manntall::scim::dialect::{Dialect, MemberRemove};
use manntall::sim::platform::Personality;
use manntall::sim::world::{Event, MemberKind, ObjectId};

use super::{assert_right, happen, next_poll, use_personality, world, writes, writes_since, wrong};
use crate::history::{runtime, settle};
use crate::stage::Stage;

fn legacy(member_remove: MemberRemove) -> Stage {
    let mut stage = Stage::new(world(60, 12, 200), 1);
    stage.dialect = Dialect { member_remove, ..Dialect::default() };
    use_personality(&stage, Personality::Legacy);
    stage
}

/// Takes one person out of each of a few groups, and tells how many.
fn leave_groups(stage: &Stage) -> usize {
    let leaves: Vec<(ObjectId, ObjectId)> = {
        let inner = stage.lock();
        let entitled = crate::oracle::entitled_ids(&inner.world);
        let groups = inner.world.live_groups().filter(|group| {
            group.text("displayName").unwrap_or_default().starts_with("PLT ")
                && group.members.len() > 5
                && !group.members.iter().any(|member| member.kind == MemberKind::Group)
        });
        let first = groups.filter_map(|group| {
            let mut members = group.members.iter().map(|member| member.id);
            Some((group.id, members.find(|id| entitled.contains(id))?))
        });
        first.collect()
    };
    for (group, user) in &leaves {
        happen(stage, Event::Leave { group: *group, user: *user });
    }
    leaves.len()
}

#[test]
fn a_removal_that_empties_a_group_is_noticed_and_undone() {
    runtime().block_on(async {
        let mut stage = legacy(MemberRemove::ValueFilter);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after the first import");

        let leaves = leave_groups(&stage);
        assert!(leaves > 1, "too few groups: {leaves}");
        let before = writes(&stage);
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let mut removals = writes_since(&stage, before);
        removals.retain(|write| write.summary.contains("remove"));
        assert_eq!(removals.len(), 1, "only the first was tried: {removals:#?}");
        let distrusted = engine.state().target.distrusted_form.clone().unwrap();
        assert_eq!(distrusted.form, "member_remove = \"value_filter\"");

        // Nothing more is done in this form, however often it runs.
        let before = writes(&stage);
        next_poll(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(writes_since(&stage, before), []);
        assert!(!wrong(&stage).is_empty());

        stage.dialect.member_remove = MemberRemove::ValueArray;
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        assert_right(&stage, "in the form that the platform understands");
    });
}

#[test]
fn a_platform_of_the_old_kind_converges_in_its_own_form() {
    runtime().block_on(async {
        let stage = legacy(MemberRemove::ValueArray);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        leave_groups(&stage);
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_right(&stage, "after people left groups");
        assert_eq!(engine.state().target.distrusted_form, None);
    });
}

#[test]
fn a_sloppy_platform_converges_but_for_what_it_drops() {
    runtime().block_on(async {
        let stage = Stage::new(world(200, 12, 600), 1);
        use_personality(&stage, Personality::Sloppy);
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let dropped = |stage: &Stage| {
            let wrong = wrong(stage);
            assert!(wrong.iter().all(|one| one.contains(": title is None")), "{wrong:#?}");
            assert!(!wrong.is_empty(), "nothing was dropped");
        };
        dropped(&stage);
        for _ in 0..3 {
            let before = stage.lock().platform.requests.clone();
            next_poll(&stage).await;
            stage.drive(&mut engine).await.unwrap();
            assert_eq!(stage.lock().platform.requests, before, "something is sent again and again");
        }
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..40 {
            let event = stage.lock().world.random_event(&mut rng).unwrap();
            happen(&stage, event);
        }
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        dropped(&stage);
    });
}
