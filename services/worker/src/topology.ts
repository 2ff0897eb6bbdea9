import type { Channel } from 'amqplib';

export const ROUTING_KEY = 'jobs';

/**
 * Declares the exchange and queue `name`, and `name`.dead for what is given up. The API's relay
 * waits for the exchange: it may not declare anything.
 */
export async function declareTopology(channel: Channel, name: string): Promise<void> {
  const dead = `${name}.dead`;
  await channel.assertExchange(dead, 'fanout', { durable: true });
  await channel.assertQueue(dead, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  await channel.bindQueue(dead, dead, '');
  await channel.assertExchange(name, 'direct', { durable: true });
  await channel.assertQueue(name, {
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-dead-letter-exchange': dead,
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
      'x-delivery-limit': 20,
    },
  });
  await channel.bindQueue(name, name, ROUTING_KEY);
}
