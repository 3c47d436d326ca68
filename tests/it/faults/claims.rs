//! An account or group of the platform that several of ours would take over.

use manntall::core::expression::Subject;
use manntall::core::model::AttrPath;
use manntall::sim::platform::Twins;
use manntall::sim::world::{Event, Group};
use serde_json::json;

use crate::acceptance::{entitled, happen, next_poll, world, writes, writes_since};
use crate::history::{runtime, settle};
use crate::stage::{Stage, expression};

/// The login name is the address, of which two people have the same, and so has an account of somebody else's making.
#[test]
fn t85_an_account_that_goes_by_the_name_of_two_is_taken_over_by_neither() {
    runtime().block_on(async {
        let mut stage = Stage::new(world(60, 30, 120), 1);
        let [kari, ola] = entitled(&stage)[..2] else { panic!("there are two") };
        let mail = "post@example.no";
        for user in [kari, ola] {
            let (name, value) = ("mail".to_owned(), mail.into());
            happen(&stage, Event::SetProperty { user, name, value });
        }
        let by_mail = expression("person.mail", Subject::Person);
        stage.policy.account.insert(AttrPath::user_name(), by_mail);
        let account =
            json!({ "userName": mail, "displayName": "Post", "active": true, "roles": [] });
        let id = stage.lock().platform.insert_user(&account, Twins::Refused).unwrap();
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let names = |stage: &Stage| {
            let inner = stage.lock();
            let found = inner.platform.users().filter(|user| user.user_name() == mail);
            found
                .map(|user| (user.id.clone(), user.external_id().map(str::to_owned)))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&stage),
            [(id.clone(), None)],
            "nobody has it, and there is no second one"
        );
        // Whoever leaves takes it from nobody.
        happen(&stage, Event::Disable { user: ola });
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_eq!(
            names(&stage),
            [(id.clone(), Some(kari.to_string()))],
            "it goes by one name now"
        );
        let before = writes(&stage);
        happen(&stage, Event::Enable { user: ola });
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        let made = writes_since(&stage, before);
        assert!(made.iter().all(|write| !write.target.contains(&id)), "{made:?}");
        assert_eq!(names(&stage), [(id, Some(kari.to_string()))]);
    });
}

/// One group of the platform, and two of the directory that would have its name, until one is renamed.
#[test]
fn t85_a_group_that_two_would_take_over_is_taken_by_the_one_that_keeps_the_name() {
    runtime().block_on(async {
        let stage = Stage::new(world(60, 30, 120), 1);
        let (one, other) = {
            let inner = stage.lock();
            let is_carried = |group: &&Group| {
                group.text("displayName").is_some_and(|name| name.starts_with("PLT "))
            };
            let mut groups = inner.world.live_groups().filter(is_carried).map(|group| group.id);
            (groups.next().unwrap(), groups.next().unwrap())
        };
        let rename = |group, name: &str| {
            happen(&stage, Event::RenameGroup { group, name: name.to_owned() });
        };
        rename(one, "PLT Kor");
        rename(other, "PLT Kor");
        let id = stage.lock().platform.insert_group(&json!({ "displayName": "Kor" })).unwrap();
        let mut engine = stage.engine().unwrap();
        settle(&stage, &mut engine).await;
        let named = |name: &str| {
            let inner = stage.lock();
            let found =
                inner.platform.groups().filter(|group| group.text("displayName") == Some(name));
            found
                .map(|group| (group.id.clone(), group.external_id().map(str::to_owned)))
                .collect::<Vec<_>>()
        };
        assert_eq!(named("Kor"), [(id.clone(), None)]);
        rename(other, "PLT Korps");
        next_poll(&stage).await;
        settle(&stage, &mut engine).await;
        assert_eq!(named("Kor"), [(id, Some(one.to_string()))]);
        let [(_, carried)] = &named("Korps")[..] else { panic!("there is one") };
        assert_eq!(*carried, Some(other.to_string()));
    });
}
