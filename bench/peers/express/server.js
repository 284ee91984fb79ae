// A bare server with Express and kafka-javascript, to measure Hookgate against: two workers of Node.js's cluster module.
//
// It answers a signed Uploadcare delivery 200 once Kafka has stored the raw body, 401 without a valid signature, and 503 where Kafka fails. The
// environment has the port (PORT), the secret (SECRET), the topic (TOPIC), and librdkafka's properties (KAFKA): a line NAME=VALUE for each.

import cluster from 'node:cluster';
import { createHmac, timingSafeEqual } from 'node:crypto';
import kafkaJavascript from '@confluentinc/kafka-javascript';
import express from 'express';

const WORKERS = 2;
const { KAFKA, PORT, SECRET, TOPIC } = process.env;

function proven(body, signature) {
  const expected = Buffer.from(`v1=${createHmac('sha256', SECRET).update(body).digest('hex')}`);
  const found = Buffer.from(signature);
  return found.length === expected.length && timingSafeEqual(found, expected);
}

function properties() {
  return Object.fromEntries(KAFKA.split('\n').map((line) => line.split(/=(.*)/s, 2)));
}

async function serve() {
  const producer = new kafkaJavascript.KafkaJS.Kafka().producer(properties());
  await producer.connect();
  const app = express();
  app.get('/healthz', (_request, response) => response.sendStatus(200));
  app.post('/webhooks/uploadcare', express.raw({ type: () => true, limit: '1mb' }), async (request, response) => {
    if (!proven(request.body, request.get('x-uc-signature') ?? '')) {
      response.sendStatus(401);
      return;
    }
    try {
      await producer.send({ topic: TOPIC, messages: [{ key: 'constant', value: request.body }] });
    } catch {
      response.sendStatus(503);
      return;
    }
    response.sendStatus(200);
  });
  app.listen(Number(PORT), '127.0.0.1');
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < WORKERS; worker += 1) cluster.fork();
  // With one worker less, the figures would be those of another program.
  cluster.on('exit', () => process.exit(1));
} else {
  await serve();
}
