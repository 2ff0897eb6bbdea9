import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { JobError } from './errors.ts';
import { uploadStream } from './multipart.ts';
import type { Settings } from './settings.ts';
import { traceCall } from './tracing.ts';

const CHECK_MS = 2000;
/** Beside the files of jobs, which may have a disk of their own. */
const PROBE = 'exports/probe';

/** The bucket where jobs put their files. All failures are JobErrors. */
export class Storage {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor({ storage }: Settings) {
    this.#bucket = storage.bucket;
    this.#client = new S3Client({
      endpoint: storage.endpoint,
      region: storage.region,
      credentials: storage,
      forcePathStyle: true,
      // Servers other than AWS do not know the newer checksums.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: 3000, socketTimeout: 10_000 },
    });
    this.#traceRequests(new URL(storage.endpoint));
  }

  /**
   * Stores all of `body` as one object, in constant memory, and returns its size in bytes.
   * When `body` fails, so does the upload, with the same error; nothing then remains of the object.
   */
  async upload(
    key: string,
    contentType: string,
    body: Readable,
    signal: AbortSignal,
  ): Promise<number> {
    await this.#createBucket();
    const target = { Bucket: this.#bucket, Key: key, ContentType: contentType };
    try {
      return await uploadStream(this.#client, target, body, signal);
    } catch (error) {
      throw error === body.errored ? error : toJobError(error);
    }
  }

  /**
   * Removes what earlier claims of a job left: all under FOLDER/N/ with N below `claim`, uploads
   * that nobody will end included. Of later claims it touches nothing: a worker that was thought
   * dead may ask for this, too.
   */
  async clearBefore(folder: string, claim: number): Promise<void> {
    const Bucket = this.#bucket;
    const place = { Bucket, Prefix: folder };
    const [{ Uploads = [] }, { Contents = [] }] = await Promise.all([
      this.#client.send(new ListMultipartUploadsCommand(place)).catch(noneFound),
      this.#client.send(new ListObjectsV2Command(place)).catch(noneFound),
    ]);
    const isEarlier = ({ Key = '' }: { Key?: string | undefined }): boolean =>
      Number(Key.slice(folder.length).split('/')[0]) < claim;
    const aborted = Uploads.filter(isEarlier).map(({ Key, UploadId }) =>
      this.#client
        .send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
        .catch(noneFound),
    );
    const removed = Contents.filter(isEarlier).map(({ Key = '' }) => this.remove(Key));
    await Promise.all([...aborted, ...removed]);
  }

  async remove(key: string): Promise<void> {
    await this.#client
      .send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }))
      .catch(rethrow);
  }

  /**
   * Makes the bucket if it is missing, so that the API finds one before the first export.
   * @throws where the storage does not answer within 2 s.
   */
  async check(): Promise<void> {
    await this.#createBucket(AbortSignal.timeout(CHECK_MS));
  }

  /** Stores a small object and removes it: a storage whose disk is full still answers. */
  async probe(): Promise<void> {
    await this.#createBucket();
    const object = { Bucket: this.#bucket, Key: PROBE, Body: 'Does the storage take files?' };
    await this.#client.send(new PutObjectCommand(object)).catch(rethrow);
    await this.remove(PROBE);
  }

  close(): void {
    this.#client.destroy();
  }

  /** Makes a span of each request. */
  #traceRequests({ protocol, hostname, port }: URL): void {
    const server = {
      'rpc.system': 'aws-api',
      'rpc.service': 'S3',
      'server.address': hostname,
      'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    };
    this.#client.middlewareStack.add(
      (next, { commandName = '' }) => {
        const method = commandName.replace(/Command$/, '');
        const attributes = { ...server, 'rpc.method': method };
        return (args) => traceCall(`S3/${method}`, attributes, () => next(args), describeFailure);
      },
      { step: 'initialize' },
    );
  }

  async #createBucket(abortSignal?: AbortSignal): Promise<void> {
    const options = abortSignal ? { abortSignal } : {};
    if (await this.#bucketExists(options)) return;
    await this.#client
      .send(new CreateBucketCommand({ Bucket: this.#bucket }), options)
      .catch(rethrow);
  }

  async #bucketExists(options: { abortSignal?: AbortSignal }): Promise<boolean> {
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }), options);
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw toJobError(error);
    }
  }
}

/**
 * Not every server says that its disk is full: rclone calls it an internal error, or hangs up
 * before it has read the whole part.
 */
const FULL_DISK = ' Its disk may be full; its log says more.';
const BROKEN_OFF = new Set(['ECONNRESET', 'EPIPE']);

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

function toJobError(error: unknown): JobError {
  const { name, message } = error as Error;
  const status = statusOf(error);
  if (status === undefined) {
    const reason = (error as NodeJS.ErrnoException).code ?? name;
    const hint = BROKEN_OFF.has(reason) ? FULL_DISK : '';
    const message = `The storage did not answer (${reason}).${hint}`;
    return new JobError(message, { cause: error, outage: true });
  }
  if (status === 401 || status === 403) {
    // Not for good: keys are replaced, and a clock that jumped is put right after one answer.
    const message = `The storage refused access (${status}): a wrong key, or a wrong clock.`;
    return new JobError(message, { cause: error, outage: true });
  }
  const hint = status >= 500 ? FULL_DISK : '';
  return new JobError(`The storage failed (${status} ${name}): ${message}.${hint}`, {
    cause: error,
    outage: status >= 500,
  });
}

/** Nothing for 404, the expected answer where something does not exist yet. */
function describeFailure(error: unknown): string | undefined {
  return statusOf(error) === 404 ? undefined : toJobError(error).message;
}

/** 404 is said of a missing bucket, and by rclone where there are no uploads to list. */
function noneFound(error: unknown): { Uploads?: undefined; Contents?: undefined } {
  if (statusOf(error) === 404) return {};
  throw toJobError(error);
}

function rethrow(error: unknown): never {
  throw toJobError(error);
}
