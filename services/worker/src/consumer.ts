import type { ConsumeMessage } from 'amqplib';
import type { Outcome } from './broker.ts';
import type { JobMessage } from './contracts/job-message.ts';
import { describe } from './errors.ts';
import type { Logger } from './logger.ts';
import type { JobRunner } from './runner.ts';
import type { Validate } from './schema.ts';
import { markFailed } from './tracing.ts';

/*
 * Every outcome of a message. None is ever requeued by hand: what is to be tried again has a row
 * in the outbox, or is found by the API's sweeper, and both count attempts in PostgreSQL.
 *
 * | what happened                         | message   | job                                        |
 * | ------------------------------------- | --------- | ------------------------------------------ |
 * | not valid against the message schema  | reject    | untouched                                  |
 * | gone, finished or leased by another   | ack       | untouched                                  |
 * | succeeded                             | ack       | succeeded                                  |
 * | cancelled                             | ack       | cancelled                                  |
 * | attempt failed, others are left       | ack       | queued, in the outbox with a delay         |
 * | last attempt failed                   | reject    | failed                                     |
 * | unknown type, or permanent error      | reject    | failed                                     |
 * | lease lost                            | ack       | another worker's                           |
 * | worker stops while it runs            | ack       | queued, in the outbox, attempt given back  |
 * | worker stops before it is claimed     | keep      | untouched                                  |
 * | database away                         | wait      | claimed or recorded once it is back        |
 * | database away, and worker stops       | keep, ack | before the claim; after it: lease runs out |
 * | connection to the broker lost         | (void)    | goes on; the redelivered message finds it  |
 *
 * ack: done. reject: to the dead letters. keep: the broker delivers it again to another worker.
 */

/** Turns messages into runs of jobs, a few at a time. */
export class Consumer {
  readonly #validate: Validate<JobMessage>;
  readonly #runner: JobRunner;
  readonly #concurrency: number;
  readonly #draining: AbortSignal;
  readonly #logger: Logger;
  readonly #running = new Set<Promise<Outcome>>();

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
  async handle(message: ConsumeMessage): Promise<Outcome> {
    while (this.#running.size >= this.#concurrency) await Promise.race(this.#running);
    if (this.#draining.aborted) return 'keep';
    const run = this.#run(message);
    this.#running.add(run);
    return run.finally(() => this.#running.delete(run));
  }

  /** Resolves when no job runs. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run({ content, properties }: ConsumeMessage): Promise<Outcome> {
    const headers = traceHeaders(properties.headers?.traceparent);
    const logger = this.#logger.child(headers);
    let jobId;
    try {
      jobId = this.#validate(JSON.parse(content.toString())).job_id;
    } catch (error) {
      logger.error({ err: error }, 'message.rejected');
      markFailed('The message is not valid.', error);
      return 'reject';
    }
    try {
      return await this.#runner.run(jobId, headers, logger.child({ job_id: jobId }));
    } catch (error) {
      logger.warn({ err: error }, 'message.kept');
      markFailed(describe(error), error);
      return 'keep';
    }
  }
}

/** The W3C trace context of a message; it goes into log lines and on into further messages. */
function traceHeaders(traceparent: unknown): { traceparent?: string } {
  return typeof traceparent === 'string' ? { traceparent } : {};
}
