//! Decodes one record's value with the generated code and prints what scripts/schema/codegen expects of every language.

use std::{env, error::Error, fs};

use prost::Message as _;
use prost_types::Timestamp;

mod hookgate {
    include!(concat!(env!("OUT_DIR"), "/hookgate.v1.rs"));
}
use hookgate::{Event, event::Payload};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: consumer FILE")?;
    let event = Event::decode(&fs::read(path)?[..])?;
    let Some(Payload::UploadcareFile(file)) = event.payload else { return Err("not the payload of the example".into()) };
    let proof = event.proof.unwrap_or_default();
    let scan = file.virus_scan.unwrap_or_default();
    println!("id={}", event.id);
    println!("type={}", event.r#type);
    println!("subject={}", event.subject);
    println!("received_at={}", time(event.received_at));
    println!("occurred_at={}", time(event.occurred_at));
    println!("origin={}", event.origin);
    println!("proof_header={}", proof.headers[0].name);
    println!("body_bytes={}", event.body.len());
    println!("payload=uploadcare_file");
    println!("size={}", optional(file.size));
    println!("is_image={}", optional(file.is_image));
    println!("infected={}", optional(scan.infected));
    println!("infected_with={}", scan.infected_with);
    println!("hook_id={}", optional(file.hook.and_then(|hook| hook.id)));
    println!("initiator={}", file.initiator.map_or(0, |initiator| initiator.r#type));
    println!("previous_virus_scan={}", if file.previous_virus_scan.is_some() { "present" } else { "absent" });
    Ok(())
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or("absent".into(), |time| format!("{}.{:09}", time.seconds, time.nanos))
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or("absent".into(), |value| value.to_string())
}
