//! `reconcile` and `recover` for an endpoint with topics of its own.

use hookgate::{encode::TopicTable, event::EventKind, provider::uploadcare};
use hookgate_stubs::time::{Micros, SECOND};
use serde_json::{Value, json};

use crate::{
    recovery::with_topics,
    recovery_world::{World, row},
    support::{plain, prefix},
};

/// Its events are looked for on its own topics, and come back there.
#[test]
fn an_endpoint_with_topics_of_its_own_is_recovered_there() {
    let own = prefix("own.");
    let world = with_topics(World::with_own_topics(&plain(), &prefix(""), &own));
    let upload = |second: Micros| world.stub.books().uploadcare.upload(world.begin + second * SECOND);
    let uuids = [0, 1, 2, 3].map(upload);
    world.photo("file.uploaded", &uuids[0]);
    // This one arrived before the endpoint had topics of its own.
    let configured = std::fs::read_to_string(world.stage.folder.path("hookgate.toml")).unwrap();
    world.stage.folder.write("hookgate.toml", configured.replace(&format!("topic_prefix = \"{own}\"\n"), ""));
    let mut world = with_topics(world);
    world.stage.folder.write("hookgate.toml", configured);
    let name = |kind: EventKind| format!("{}{}", world.stage.prefix, kind.name());
    let shared = TopicTable::new([&uploadcare::PROVIDER], name);
    let own_topics = std::mem::replace(&mut world.stage.encoding.topics, shared);
    world.photo("file.uploaded", &uuids[1]);
    world.stage.encoding.topics = own_topics;

    let types = "uploadcare --types file.uploaded";
    assert_eq!(world.reconcile(types, 3), [row("file.uploaded", "missing", 4, 2)]);
    let lost = uuids[2..].iter().map(|uuid| ("uploadcare.file.uploaded".to_owned(), uuid.clone())).collect();
    assert_eq!(world.recover(types, 0), lost);
    assert_eq!(world.reconcile(types, 0), [row("file.uploaded", "complete", 4, 0)]);
    let topics: Vec<Value> = world.stage.tail(&[]).into_iter().map(|it| it["topic"].clone()).collect();
    assert_eq!(topics, vec![json!(format!("{own}uploadcare.file.uploaded")); 3]);
}
