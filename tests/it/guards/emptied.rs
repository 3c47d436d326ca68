//! A group of `scope.groups` whose members Entra no longer shows, without a word on who left.

use std::collections::BTreeSet;

use manntall::core::model::ObjectId;
use manntall::sim::entra::ExpireLinks;
use manntall::sim::world::{self, Event, MemberRef};

use super::{active, disable, happen, held, restart, town, trips};
use crate::history::{approve_all, settle};
use crate::stage::Stage;

/// Two complete reads go by, the second of which would confirm an absence.
async fn read_twice(stage: &Stage, engine: &mut manntall::cycle::Engine) {
    for _ in 0..2 {
        stage.lock().entra.faults.expire_links = Some(ExpireLinks::Gone);
        stage.pass(stage.timing.confirm_absence).await;
        stage.drive(engine).await.unwrap();
    }
}

#[test]
fn a_scope_group_that_is_shown_empty_is_a_question_and_its_answer_counts() {
    crate::history::runtime().block_on(async {
        let (mut stage, _) = town(60).await;
        // Everybody belongs by way of a group within the group of the scope.
        let groups: Vec<_> = stage.lock().world.live_groups().map(|group| group.id).collect();
        let (scope, inner) = (groups[0], groups[1]);
        let people: BTreeSet<world::ObjectId> = super::entitled(&stage).into_iter().collect();
        happen(&stage, Event::Nest { group: scope, child: inner });
        let members = stage.lock().world.groups()[&inner].members.clone();
        for &user in people.iter().filter(|user| !members.contains(&MemberRef::user(**user))) {
            happen(&stage, Event::Join { group: inner, user });
        }
        stage.policy.people_of = ObjectId::parse(&scope.to_string()).map(|id| [id].into());
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let all = active(&stage);
        assert_eq!(all, people.len());

        stage.lock().entra.faults.hide_members = [scope].into();
        read_twice(&stage, &mut engine).await;
        let count = u64::try_from(all).unwrap();
        assert_eq!((held(&engine), active(&stage)), (vec![("scope_emptied", count)], all));
        assert_eq!(trips(&engine, "scope_emptied"), 1);
        let hold = engine.holds()[0].clone();
        assert!(hold.finding.unwrap().contains(&scope.to_string()));
        // The question is the same after a restart, and a leaver does not wait for its answer.
        disable(&stage, 1);
        engine = restart(&stage).await;
        stage.drive(&mut engine).await.unwrap();
        let again = &engine.holds()[0];
        assert_eq!((again.id, again.since, again.count), (hold.id, hold.since, count - 1));
        assert_eq!(active(&stage), all - 1);

        // Shown again, it is none.
        stage.lock().entra.faults.hide_members.clear();
        read_twice(&stage, &mut engine).await;
        assert_eq!((held(&engine), active(&stage)), (vec![], all - 1));

        stage.lock().entra.faults.hide_members = [scope].into();
        read_twice(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("scope_emptied", count - 1)]);
        approve_all(&stage, &mut engine);
        stage.drive(&mut engine).await.unwrap();
        assert_eq!(held(&engine), [("budget.deactivate", count - 1)], "they are out, and too many");
        read_twice(&stage, &mut engine).await;
        assert_eq!(held(&engine), [("budget.deactivate", count - 1)], "nobody is asked again");
        assert_eq!(active(&stage), all - 1);
    });
}
