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
 * Reads the settings from environment variables.
 * @throws {SettingsError} that names every variable which is missing or wrong, never its value.
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = [];
  const text = (name: string, fallback = ''): string => {
    const value = env[name] ?? fallback;
    if (value === '') problems.push(`${name} is missing`);
    if (value.includes('<random')) problems.push(`${name} still holds its placeholder`);
    return value;
  };
  const number = (name: string, fallback: number, min: number, max: number): number => {
    const value = Number(env[name] ?? fallback);
    if (value >= min && value <= max) return value;
    problems.push(`${name} must be a number from ${min} to ${max}`);
    return fallback;
  };
  const address = text('RABBITMQ_ADDRESS');
  const [, host = '', port = ''] = /^(.+):(\d+)$/.exec(address) ?? [];
  if (address !== '' && host === '') problems.push('RABBITMQ_ADDRESS must be host:port');

  const settings: Settings = {
    host: text('HOST', '127.0.0.1'),
    port: number('PORT', 8001, 0, 65_535),
    logLevel: text('LOG_LEVEL', 'info'),
    rabbitmq: {
      host,
      port: Number(port),
      user: text('RABBITMQ_DEFAULT_USER'),
      password: text('RABBITMQ_DEFAULT_PASS'),
    },
    queue: 'service-name',
    concurrency: number('SERVICE_NAME_CONCURRENCY', 4, 1, 1000),
    attempts: 5,
    retrySeconds: 10,
    graceSeconds: 5,
  };
  if (problems.length > 0) {
    throw new SettingsError(`The environment is not complete: ${problems.join('; ')}.`);
  }
  return settings;
}
