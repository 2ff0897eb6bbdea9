import { Environment } from './environment.ts';

export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
  readonly rabbitmq: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
  };
  readonly queue: string;
  /** Messages at a time; also the prefetch of the consumer. */
  readonly concurrency: number;
  /** Attempts until a message is given up. */
  readonly attempts: number;
  readonly retrySeconds: number;
  /** How long handlers may go on after SIGTERM. */
  readonly graceSeconds: number;
}

export class SettingsError extends Error {
  override name = 'SettingsError';
}

/**
 * Reads the settings from environment variables, or from the files that they name.
 * @throws {SettingsError} that names every variable which is missing or wrong, never its value.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const given = new Environment(env);
  const settings: Settings = {
    host: given.text('HOST', '127.0.0.1'),
    port: given.number('PORT', 8001, 0, 65_535),
    logLevel: given.text('LOG_LEVEL', 'info'),
    rabbitmq: {
      ...given.address('RABBITMQ_ADDRESS'),
      user: given.text('RABBITMQ_DEFAULT_USER'),
      password: given.secret('RABBITMQ_DEFAULT_PASS'),
    },
    queue: 'service-name',
    concurrency: given.number('SERVICE_NAME_CONCURRENCY', 4, 1, 1000),
    attempts: 5,
    retrySeconds: 10,
    graceSeconds: 5,
  };
  if (given.problems.length > 0) {
    throw new SettingsError(
      `The environment is not complete: ${given.problems.join('; ')}. Try: ./gp secrets check`,
    );
  }
  return settings;
}
