/** What the operator is told to type next, with the namespace that this command was given. Pure. */

/** Installs where nothing is. */
export function installStep(namespace: string): string {
  return `nodemesh install --namespace ${namespace} | kubectl apply -f -`;
}

/** Puts right what is installed; upgrade keeps the options that it was installed with. */
export function mendStep(namespace: string): string {
  return `nodemesh upgrade -n ${namespace} | kubectl apply -f -`;
}
