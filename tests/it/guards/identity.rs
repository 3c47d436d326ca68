//! Another tenant or another target than before stays out until somebody says that it is right.

use manntall::cycle::identity::TargetIdentity;

use super::{disable, held, next, town, trips, writes, wrong};
use crate::history::{approve_all, runtime, settle};

#[test]
fn another_target_is_not_written_to_until_somebody_accepts_it() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let known = engine.state().identity.target.clone().unwrap();
        assert_eq!(known.url, crate::stage::SCIM);
        for pinned in [
            TargetIdentity { url: "https://test.example.no/scim".to_owned(), ..known.clone() },
            TargetIdentity { config: Some("of another kind".to_owned()), ..known.clone() },
        ] {
            engine.state_mut().identity.target = Some(pinned);
            engine.state_mut().mark(manntall::cycle::records::Key::Identity);
            engine.state_mut().commit().unwrap();
            engine = stage.engine().unwrap();
            disable(&stage, 1);
            let before = writes(&stage);
            next(&stage, &mut engine).await;
            assert_eq!((writes(&stage), trips(&engine, "identity")), (before, 1));
            assert!(held(&engine).contains(&("identity", 1)), "{:?}", held(&engine));
            let trouble = engine.target_trouble().unwrap();
            assert_eq!((trouble.code, trouble.guard.as_deref()), (78, Some("identity")));
            assert!(trouble.message.contains(crate::stage::SCIM), "{}", trouble.message);
            assert!(trouble.message.contains("manntall approve"), "{}", trouble.message);
            approve_all(&stage, &mut engine);
            next(&stage, &mut engine).await;
            assert!(engine.target_trouble().is_none());
            assert_eq!(wrong(&stage), Vec::<String>::new());
            assert_eq!(engine.state().identity.target.as_ref(), Some(&known));
        }
    });
}

#[test]
fn another_tenant_is_not_read_and_nothing_of_it_is_changed() {
    runtime().block_on(async {
        let (stage, mut engine) = town(60).await;
        let name = *engine.state().identity.tenants.keys().next().unwrap();
        let was = "6f1c3a52-0000-4000-8000-000000000001".to_owned();
        engine.state_mut().identity.tenants.insert(name, was.clone());
        engine.state_mut().mark(manntall::cycle::records::Key::Identity);
        engine.state_mut().commit().unwrap();
        engine = stage.engine().unwrap();
        disable(&stage, 1);
        let (before, read) = (writes(&stage), stage.lock().entra.counters.graph());
        next(&stage, &mut engine).await;
        assert_eq!((writes(&stage), stage.lock().entra.counters.graph()), (before, read));
        assert_eq!(held(&engine), vec![("identity", 1)]);
        let trouble = engine.source_troubles().values().next().unwrap();
        assert!(trouble.message.contains(&was) && trouble.code == 78, "{}", trouble.message);
        approve_all(&stage, &mut engine);
        settle(&stage, &mut engine).await;
        assert!(engine.source_troubles().is_empty());
        assert_eq!(wrong(&stage), Vec::<String>::new());
    });
}
