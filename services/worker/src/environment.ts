import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

const PLACEHOLDERS = /<random|change[-_]?me|replace-me|your-/i;
const DEFAULT_PASSWORDS = /^(?:password|postgres|redis|rabbitmq|guest|admin|secret)$/i;
const MIN_SECRET = 12;

/**
 * Environment variables. Each may be given as the path of a file with the value instead, in
 * NAME_FILE. What is wrong is collected: it names the variable and the path, never the value.
 */
export class Environment {
  readonly problems: string[] = [];
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  optional(name: string): string | undefined {
    const value = this.#env[name];
    const path = this.#env[`${name}_FILE`];
    if (!path) return value === '' ? undefined : value;
    if (value) this.problems.push(`${name} and ${name}_FILE are both set: keep one of them`);
    return this.#read(`${name}_FILE`, path);
  }

  text(name: string, fallback?: string): string {
    const known = this.problems.length;
    const value = this.optional(name) ?? fallback;
    if (value === undefined && this.problems.length === known) {
      this.problems.push(`${name} is missing`);
    }
    return value ?? '';
  }

  /** A default or short one will do in development; a placeholder never. */
  secret(name: string): string {
    const value = this.text(name);
    if (PLACEHOLDERS.test(value)) this.problems.push(`${name} still holds a placeholder`);
    const weak = value !== '' && (DEFAULT_PASSWORDS.test(value) || value.length < MIN_SECRET);
    if (weak && this.#env.ENVIRONMENT !== 'development') {
      this.problems.push(`${name} is a default or shorter than ${MIN_SECRET} characters`);
    }
    return value;
  }

  number(name: string, fallback: number, min: number, max: number): number {
    const value = Number(this.optional(name) ?? fallback);
    if (value >= min && value <= max) return value;
    this.problems.push(`${name} must be a number from ${min} to ${max}`);
    return fallback;
  }

  address(name: string): { host: string; port: number } {
    const address = this.text(name);
    const [, host = '', port = ''] = /^(.+):(\d+)$/.exec(address) ?? [];
    if (address !== '' && host === '') this.problems.push(`${name} must be host:port`);
    return { host, port: Number(port) };
  }

  /** The PEM in the file that the variable names. */
  certificate(name: string): string | undefined {
    const path = this.#env[name];
    if (!path) return undefined;
    const ca = this.#read(name, path);
    try {
      if (ca !== undefined) new X509Certificate(ca);
    } catch {
      this.problems.push(`${name}: ${path} is no certificate`);
    }
    return ca;
  }

  #read(variable: string, path: string): string | undefined {
    try {
      const value = readFileSync(path, 'utf8').replace(/\n$/, '');
      if (value !== '') return value;
      this.problems.push(`${variable}: ${path} is empty`);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
      this.problems.push(`${variable}: ${path} can't be read (${reason})`);
    }
    return undefined;
  }
}
