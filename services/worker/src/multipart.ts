import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';
import { untraced } from './tracing.ts';

/** The least that S3 allows: each part is held in memory until it is stored. */
const PART_BYTES = 5 * 1024 * 1024;
/** One is filled while the other is sent: PostgreSQL and gzip are no faster than one upload. */
const BUFFERS = 2;
const CLEAN_UP_MS = 1500;
/** Further parts of a large object make no spans: there may be 10,000. */
const TRACED_PARTS = 20;

export interface Target {
  readonly Bucket: string;
  readonly Key: string;
  readonly ContentType: string;
}

/** `data` is overwritten once BUFFERS further parts were cut. */
interface Part {
  readonly number: number;
  readonly data: Buffer;
  readonly last: boolean;
}

/**
 * Stores a stream of unknown length as one object and returns its size in bytes. When anything
 * fails, or `signal` is aborted, nothing remains of the object.
 *
 * Why not lib-storage's Upload: it copies each part into new memory (240 MiB for an export of
 * 1,000,000 rows), and lets parts that are under way go on after an abort.
 */
export async function uploadStream(
  client: S3Client,
  target: Target,
  body: Readable,
  signal: AbortSignal,
): Promise<number> {
  const upload = new Upload(client, target, signal);
  const buffers = Array.from({ length: BUFFERS }, takeBuffer);
  try {
    for await (const part of cut(body, buffers)) await upload.add(part);
    return await upload.complete();
  } catch (error) {
    await upload.discard();
    throw error;
  } finally {
    freeBuffers.push(...buffers);
  }
}

/** Kept for ever: memory of this size that comes and goes is slow to return to the system. */
const freeBuffers: Buffer[] = [];

function takeBuffer(): Buffer {
  return freeBuffers.pop() ?? Buffer.allocUnsafeSlow(PART_BYTES);
}

class Upload {
  readonly #client: S3Client;
  readonly #target: Target;
  readonly #discarded = new AbortController();
  readonly #abortSignal: AbortSignal;
  readonly #sent: Promise<CompletedPart>[] = [];
  #bytes = 0;
  #id: string | undefined;

  constructor(client: S3Client, target: Target, signal: AbortSignal) {
    this.#client = client;
    this.#target = target;
    this.#abortSignal = AbortSignal.any([signal, this.#discarded.signal]);
  }

  /** Resolves when the buffer of the next part is free. */
  async add(part: Part): Promise<void> {
    this.#bytes += part.data.length;
    if (part.last && part.number === 1) {
      await this.#client.send(
        new PutObjectCommand({ ...this.#target, Body: part.data }),
        this.#options,
      );
      return;
    }
    this.#id ??= await this.#create();
    const send = () => this.#send(part);
    const sent = part.number > TRACED_PARTS ? untraced(send) : send();
    // Its error is thrown where it is awaited: when its buffer is needed, or at the end.
    sent.catch(() => undefined);
    this.#sent.push(sent);
    await this.#sent[part.number - BUFFERS];
  }

  async complete(): Promise<number> {
    const Parts = await Promise.all(this.#sent);
    if (this.#id !== undefined) {
      const complete = { ...this.#place, UploadId: this.#id, MultipartUpload: { Parts } };
      await this.#client.send(new CompleteMultipartUploadCommand(complete), this.#options);
    }
    return this.#bytes;
  }

  /** Does its best for 1.5 s: the storage may be the very thing that failed. */
  async discard(): Promise<void> {
    this.#discarded.abort();
    await Promise.allSettled(this.#sent);
    const options = { abortSignal: AbortSignal.timeout(CLEAN_UP_MS) };
    const abort = new AbortMultipartUploadCommand({ ...this.#place, UploadId: this.#id });
    await Promise.allSettled([
      this.#id === undefined ? undefined : this.#client.send(abort, options),
      this.#client.send(new DeleteObjectCommand(this.#place), options),
    ]);
  }

  async #create(): Promise<string | undefined> {
    const command = new CreateMultipartUploadCommand(this.#target);
    return (await this.#client.send(command, this.#options)).UploadId;
  }

  async #send({ number, data }: Part): Promise<CompletedPart> {
    const part = { ...this.#place, UploadId: this.#id, PartNumber: number, Body: data };
    const { ETag } = await this.#client.send(new UploadPartCommand(part), this.#options);
    return { PartNumber: number, ETag };
  }

  get #place() {
    return { Bucket: this.#target.Bucket, Key: this.#target.Key };
  }

  get #options() {
    return { abortSignal: this.#abortSignal };
  }
}

/** Cuts a stream into parts of equal size; only the last may be smaller. No data is one part. */
async function* cut(body: AsyncIterable<Buffer>, buffers: Buffer[]): AsyncGenerator<Part> {
  let number = 1;
  let buffer = buffers[0] ?? takeBuffer();
  let filled = 0;
  for await (const chunk of body) {
    let rest = chunk;
    while (rest.length > 0) {
      if (filled === PART_BYTES) {
        yield { number, data: buffer, last: false };
        buffer = buffers[number % BUFFERS] ?? takeBuffer();
        number += 1;
        filled = 0;
      }
      const copied = rest.copy(buffer, filled);
      filled += copied;
      rest = rest.subarray(copied);
    }
  }
  yield { number, data: buffer.subarray(0, filled), last: true };
}
