// Validates an AsyncAPI document with AsyncAPI's own parser, its protobuf with the plugin for protobuf, and the headers of every example
// with the schema that the document has for them. Then it breaks the document in several ways, and the validation must refuse each:
// otherwise it checks nothing.
// example: node asyncapi.mjs docs/asyncapi.json
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';
import { ProtoBuffSchemaParser } from '@asyncapi/protobuf-schema-parser';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const WARNING = 1;

const parser = new Parser();
parser.registerSchemaParser(ProtoBuffSchemaParser());
const ajv = addFormats(new Ajv({ strict: false }));

/** Returns what is wrong with a document. The list is empty if the document is valid. */
async function faults(text) {
  const { document, diagnostics } = await parser.parse(text);
  const found = diagnostics
    .filter((it) => it.severity <= WARNING)
    .map((it) => `${it.path.join('/')}: ${it.message}`);
  return document && found.length === 0 ? exampleFaults(document) : found;
}

function exampleFaults(document) {
  const found = [];
  for (const channel of document.channels().all()) {
    for (const message of channel.messages().all()) {
      const matches = ajv.compile(message.headers().json());
      if (message.examples().length === 0) found.push(`${message.name()}: no example`);
      if (message.payload().json().schema?.title !== 'Event') found.push(`${message.name()}: the payload is not an Event`);
      for (const example of message.examples().all()) {
        if (!matches(example.headers())) found.push(`${message.name()}: headers: ${ajv.errorsText(matches.errors)}`);
      }
    }
  }
  return found;
}

const first = (object) => Object.values(object)[0];
const ways = {
  'a key that AsyncAPI does not have': (it) => (it.chanels = {}),
  'a reference that leads nowhere': (it) => (first(it.operations).channel.$ref = '#/channels/nowhere'),
  'a binding of another shape': (it) => (first(it.channels).bindings.kafka.partitions = 'six'),
  'protobuf that does not compile': (it) =>
    (it.components.schemas.Event.schema = it.components.schemas.Event.schema.replace('FilesafetyVerdict verdict', 'Gone verdict')),
  'an example without a required header': (it) => delete first(it.components.messages).examples[0].headers.ce_id,
  'an example of another type': (it) => (first(it.components.messages).examples[0].headers.ce_type = 'hookgate.other'),
};

const text = readFileSync(process.argv[2], 'utf8');
const found = await faults(text);
for (const [what, change] of Object.entries(ways)) {
  const document = JSON.parse(text);
  change(document);
  const refused = await faults(JSON.stringify(document)).then((it) => it.length > 0);
  if (!refused) found.push(`the validation accepts ${what}`);
}
const channels = Object.keys(JSON.parse(text).channels).length;
console.log(found.length ? found.join('\n') : `${process.argv[2]}: valid, ${channels} channels, and each broken copy is refused`);
process.exit(found.length ? 1 : 0);
