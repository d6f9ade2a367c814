/** Hosts that may speak plain HTTP, or have a certificate of their own, as docker has it: those of this machine. */
const LOOPBACK = /^(localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/;

/** Options of buildah for talking to a registry. Others are told by `registries.conf`, which buildah reads itself. */
export function registryOptions(registry: string): readonly string[] {
  return LOOPBACK.test(registry) ? ['--tls-verify=false'] : [];
}
