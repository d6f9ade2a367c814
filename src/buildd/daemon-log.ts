/** How important a line of the log is. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a line tells besides its message. Never holds a request's secrets, credentials, arguments or file contents. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Lines of JSON about what a daemon does. */
export type DaemonLog = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

/** The levels from the one that says most. */
export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Writes lines of a level and above. */
export function createDaemonLog(write: (line: string) => void, level: LogLevel): DaemonLog {
  const at =
    (own: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LOG_LEVELS.indexOf(own) < LOG_LEVELS.indexOf(level)) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level: own, message, ...fields })}\n`);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
