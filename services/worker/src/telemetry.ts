import { setTimeout as sleep } from 'node:timers/promises';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { setGlobalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from './logger.ts';
import type { Telemetry } from './settings.ts';

const DELAY_MS = 500;
const EXPORT_MS = 2000;
const FLUSH_MS = 1000;

/**
 * Sends spans from now on, in the background. What can't be sent is dropped and told once.
 * Import this module only where telemetry is on: the SDK is large.
 * @returns what sends the rest, within 1 s
 */
export function startTelemetry(
  { endpoint, serviceName }: Telemetry,
  logger: Logger,
): () => Promise<void> {
  logFirstError(logger, endpoint);
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_MS,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        scheduledDelayMillis: DELAY_MS,
        exportTimeoutMillis: EXPORT_MS,
      }),
    ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return async () => {
    const sent = provider.shutdown().catch(() => undefined);
    await Promise.race([sent, sleep(FLUSH_MS, undefined, { ref: false })]);
  };
}

function logFirstError(logger: Logger, endpoint: string): void {
  let told = false;
  setGlobalErrorHandler((error) => {
    if (told) return;
    told = true;
    const reason = error instanceof Error ? error.message : error;
    logger.warn({ endpoint, reason }, 'telemetry.not_sent');
  });
}
