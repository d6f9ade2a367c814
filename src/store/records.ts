import { readFileSync, renameSync, utimesSync } from 'node:fs';
import { writeNewFile } from './durable.ts';
import { guard, systemCode } from './store-error.ts';
import { makeDirectory, type StoreHome } from './store-home.ts';
import type { RecordStore } from './types.ts';

/** One small file a record. They are written without fsync: one that a power cut spoils counts as absent. */
export function createRecordStore(home: StoreHome): RecordStore {
  return {
    get: async <T>(namespace: Parameters<RecordStore['get']>[0], key: string) => {
      const path = home.paths.record(namespace, key);
      const value = readRecord<T>(path);
      if (value !== undefined) markUsed(path);
      return value;
    },
    put: async (namespace, key, value) => {
      const path = home.paths.record(namespace, key);
      guard(`write a record to ${home.paths.root}`, () => {
        const temporaryPath = home.temporaryPath('record');
        writeNewFile(temporaryPath, Buffer.from(JSON.stringify(value)));
        try {
          renameSync(temporaryPath, path);
        } catch (error) {
          if (systemCode(error) !== 'ENOENT') throw error;
          makeDirectory(`${home.paths.records}/${namespace}`);
          renameSync(temporaryPath, path);
        }
      });
    },
  };
}

/** The document in a record's file; undefined where there is none or it is damaged. */
export function readRecord<T>(path: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    return guard<T>(`read the record ${path}`, () => {
      throw error;
    });
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

function markUsed(path: string): void {
  const now = Date.now() / 1000;
  try {
    utimesSync(path, now, now);
  } catch {
    // Removed since, or a store that may only be read.
  }
}
