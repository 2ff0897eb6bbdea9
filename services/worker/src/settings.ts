export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
  readonly contractsDirectory: string;
  readonly postgres: Server & { readonly database: string };
  readonly rabbitmq: Server & { readonly queue: string };
  readonly storage: {
    readonly endpoint: string;
    readonly region: string;
    readonly bucket: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
  /** Where spans are sent; nothing is sent without it. */
  readonly telemetry: Telemetry | undefined;
  /** Jobs that one process runs at a time; also the prefetch of the consumer. */
  readonly concurrency: number;
  /** A job whose worker has been silent for so long is given to another one. */
  readonly leaseSeconds: number;
  /** How long running jobs may go on after SIGTERM. */
  readonly graceSeconds: number;
}

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export interface Telemetry {
  /** Base address of an OTLP/HTTP receiver. */
  readonly endpoint: string;
  readonly serviceName: string;
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
  const text = (name: string, fallback?: string): string => {
    const value = env[name] ?? fallback ?? '';
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
  const server = (prefix: string, user: string, password: string): Server => {
    const address = text(`${prefix}_ADDRESS`);
    const [, host = '', port = ''] = /^(.+):(\d+)$/.exec(address) ?? [];
    if (address !== '' && host === '') problems.push(`${prefix}_ADDRESS must be host:port`);
    return { host, port: Number(port), user: text(user), password: text(password) };
  };
  const telemetry = (): Telemetry | undefined => {
    const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT ?? '';
    if (endpoint === '') return undefined;
    if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
      problems.push('OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address');
    }
    return { endpoint, serviceName: text('OTEL_SERVICE_NAME', 'worker') };
  };

  const settings: Settings = {
    host: text('HOST', '127.0.0.1'),
    port: number('PORT', 8001, 0, 65_535),
    logLevel: text('LOG_LEVEL', 'info'),
    contractsDirectory: text('CONTRACTS_DIR'),
    postgres: {
      ...server('POSTGRES', 'POSTGRES_USER', 'POSTGRES_PASSWORD'),
      database: text('POSTGRES_DB'),
    },
    rabbitmq: {
      ...server('RABBITMQ', 'RABBITMQ_DEFAULT_USER', 'RABBITMQ_DEFAULT_PASS'),
      queue: text('JOB_QUEUE', 'jobs'),
    },
    storage: {
      endpoint: text('S3_ENDPOINT'),
      region: text('S3_REGION'),
      bucket: text('S3_BUCKET'),
      accessKeyId: text('S3_ACCESS_KEY_ID'),
      secretAccessKey: text('S3_SECRET_ACCESS_KEY'),
    },
    telemetry: telemetry(),
    concurrency: number('WORKER_CONCURRENCY', 2, 1, 100),
    leaseSeconds: number('WORKER_LEASE_SECONDS', 15, 1, 3600),
    graceSeconds: number('WORKER_GRACE_SECONDS', 5, 0, 3600),
  };
  if (problems.length > 0) {
    throw new SettingsError(`The environment is not complete: ${problems.join('; ')}.`);
  }
  return settings;
}
