//! `hookgate init` on a real Kafka: from an empty folder to an event of each provider.

use crate::{
    first_steps,
    support::{plain, prefix},
};

#[test]
fn the_whole_way_leads_from_nothing_to_events() {
    first_steps::walk(&plain(), &prefix(""));
}
