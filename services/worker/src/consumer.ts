import type { JobMessage } from './contracts/job-message.ts';
import type { Delivery } from './delivery.ts';
import type { Logger } from './logger.ts';
import type { Held, JobRunner } from './runner.ts';
import type { Validate } from './schema.ts';
import { markFailed } from './tracing.ts';

/*
 * A message wakes a worker; which job is then done, PostgreSQL says. Every outcome of a message:
 *
 * | what happened                         | message   | job                                       |
 * | ------------------------------------- | --------- | ----------------------------------------- |
 * | not valid against the message schema  | reject    | untouched                                 |
 * | no job is due                         | ack       | none                                      |
 * | a job was claimed, and ended somehow  | ack       | succeeded, queued again, failed, or ended |
 * | claimed, and redelivered before       | ack early | runs on                                   |
 * | worker stops before it claims         | keep      | untouched                                 |
 * | worker stops while it runs one        | ack       | queued again, attempt given back          |
 * | worker dies before it claims          | keep      | untouched                                 |
 * | worker dies while it runs one         | keep      | lease runs out, then queued again         |
 * | database away                         | wait      | claimed or recorded once it is back       |
 * | database away, and worker stops       | keep, ack | before the claim; after: lease runs out   |
 * | storage away, as an attempt found     | wait      | claimed once it takes files again         |
 * | the process of an isolated job ends   | ack       | queued again, or failed                   |
 * | connection to the broker lost         | (void)    | goes on; the message wakes somebody else  |
 *
 * ack: done. reject: to the dead letters. keep: the broker delivers it again to another worker.
 *
 * The ack waits for the end of the job, so that a busy worker gets no more messages than it has places.
 * The broker counts deliveries, and gives up a message that ends its worker twenty times. No job may
 * bring that about: once a worker has died on a message, it is acked as soon as a job is claimed.
 */

/** Turns messages into runs of jobs, a few at a time. */
export class Consumer {
  readonly #validate: Validate<JobMessage>;
  readonly #runner: JobRunner;
  readonly #concurrency: number;
  readonly #draining: AbortSignal;
  readonly #logger: Logger;
  readonly #running = new Set<Promise<void>>();

  constructor(
    validate: Validate<JobMessage>,
    runner: JobRunner,
    concurrency: number,
    draining: AbortSignal,
    logger: Logger,
  ) {
    this.#validate = validate;
    this.#runner = runner;
    this.#concurrency = concurrency;
    this.#draining = draining;
    this.#logger = logger;
  }

  /** Waits for a free place: after a lost connection, messages arrive beside jobs still running. */
  async handle(delivery: Delivery): Promise<void> {
    while (this.#running.size >= this.#concurrency) await Promise.race(this.#running);
    if (this.#draining.aborted) return;
    const run = this.#process(delivery);
    this.#running.add(run);
    await run.finally(() => this.#running.delete(run));
  }

  /** Resolves when no job runs. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #process(delivery: Delivery): Promise<void> {
    try {
      this.#validate(JSON.parse(delivery.text));
    } catch (error) {
      await this.#reject(delivery, error);
      return;
    }
    try {
      const claim = await this.#runner.claim(this.#logger);
      await delivery.trace(claim?.headers ?? delivery.headers, async () => {
        if (claim) await this.#run(claim, delivery);
        delivery.ack();
      });
    } catch (error) {
      this.#logger.warn({ err: error }, 'message.kept');
    }
  }

  async #run(claim: Held, delivery: Delivery): Promise<void> {
    if (delivery.redelivered) delivery.ack();
    const { id, attempt, headers } = claim;
    await this.#runner.run(claim, this.#logger.child({ ...headers, job_id: id, attempt }));
  }

  async #reject(delivery: Delivery, error: unknown): Promise<void> {
    await delivery.trace(delivery.headers, () => {
      this.#logger.error({ err: error }, 'message.rejected');
      markFailed('The message is not valid.', error);
      delivery.reject();
      return Promise.resolve();
    });
  }
}
