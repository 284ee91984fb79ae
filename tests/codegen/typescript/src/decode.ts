// Decodes one record's value with the generated code and prints what scripts/schema/codegen expects of every language.
import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { EventSchema } from './gen/hookgate/v1/event_pb.js';

const event = fromBinary(EventSchema, readFileSync(process.argv[2]!));
if (event.payload.case !== 'uploadcareFile') {
  throw new Error(`not the payload of the example: ${event.payload.case}`);
}
const file = event.payload.value;
const time = (it?: Timestamp) => (it ? `${it.seconds}.${String(it.nanos).padStart(9, '0')}` : 'absent');

console.log(`id=${event.id}`);
console.log(`type=${event.type}`);
console.log(`subject=${event.subject}`);
console.log(`received_at=${time(event.receivedAt)}`);
console.log(`occurred_at=${time(event.occurredAt)}`);
console.log(`origin=${event.origin}`);
console.log(`proof_header=${event.proof?.headers[0]?.name}`);
console.log(`body_bytes=${event.body.length}`);
console.log('payload=uploadcare_file');
console.log(`size=${file.size ?? 'absent'}`);
console.log(`is_image=${file.isImage ?? 'absent'}`);
console.log(`infected=${file.virusScan?.infected}`);
console.log(`infected_with=${file.virusScan?.infectedWith}`);
console.log(`hook_id=${file.hook?.id}`);
console.log(`initiator=${file.initiator?.type}`);
console.log(`previous_virus_scan=${file.previousVirusScan ? 'present' : 'absent'}`);
