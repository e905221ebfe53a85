// Generated from deploy/sim/program.ts by `npm run gen`.
import type { Level } from "./completion-levels.ts";

/** What can follow `nodemesh sim`. */
export const SIM_LEVELS: readonly Level[] = [
  {
    "path": "sim",
    "words": [
      {
        "word": "up",
        "help": "start a simulated cluster from manifests and wait until everything is ready"
      },
      {
        "word": "down",
        "help": "take the simulation down and remove everything it made, also after a crash"
      },
      {
        "word": "exec",
        "help": "run a program in a pod: exec POD|deploy/NAME|node/NAME -- CMD…"
      },
      {
        "word": "apply",
        "help": "create or update objects from manifests"
      },
      {
        "word": "delete",
        "help": "delete objects; waits until pods are gone"
      },
      {
        "word": "annotate",
        "help": "set or remove annotations: KEY=VALUE sets, KEY- removes"
      },
      {
        "word": "label",
        "help": "set or remove labels: KEY=VALUE sets, KEY- removes"
      },
      {
        "word": "scale",
        "help": "set the number of replicas: scale deploy/NAME 5, or deploy NAME --replicas=5"
      },
      {
        "word": "get",
        "help": "show objects: get pods, get deploy/user -o yaml, get pods,svc -A"
      },
      {
        "word": "wait",
        "help": "wait until all is ready, or: wait --for=condition=Ready pod -l app=user"
      },
      {
        "word": "kill",
        "help": "SIGKILL, as a crash: kill agent/node-1, control, pod/NAME or pod -l app=order"
      },
      {
        "word": "revive",
        "help": "start an agent or control again after kill --stay-dead"
      },
      {
        "word": "logs",
        "help": "the last output of a pod's container, of an agent or of control (256 KiB)"
      },
      {
        "word": "status",
        "help": "nodes, agents, pods and services of the simulation"
      }
    ],
    "options": [
      {
        "names": [
          "--name"
        ],
        "help": "which simulation, when there are several",
        "values": []
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim up",
    "words": [],
    "options": [
      {
        "names": [
          "-f",
          "--filename"
        ],
        "help": "file or directory of manifests (repeatable)",
        "values": []
      },
      {
        "names": [
          "--nodes"
        ],
        "help": "virtual nodes",
        "values": []
      },
      {
        "names": [
          "--detach"
        ],
        "help": "leave it running in the background; end it with `sim down`"
      },
      {
        "names": [
          "--no-mesh"
        ],
        "help": "only the cluster: no control plane, no agents"
      },
      {
        "names": [
          "--workers"
        ],
        "help": "data workers of each agent",
        "values": []
      },
      {
        "names": [
          "--prometheus"
        ],
        "help": "Debian's Prometheus beside it, with nodemesh's rules, on this port of the loopback (0: any)",
        "values": []
      },
      {
        "names": [
          "--timeout"
        ],
        "help": "give up and take down when not ready after this long",
        "values": []
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim down",
    "words": [],
    "options": [
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim exec",
    "words": [],
    "options": [
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-c",
          "--container"
        ],
        "help": "whose environment to use",
        "values": []
      },
      {
        "names": [
          "-i",
          "--stdin"
        ],
        "help": "accepted for kubectl's sake: input is always passed on"
      },
      {
        "names": [
          "-t",
          "--tty"
        ],
        "help": "accepted for kubectl's sake: the terminal is always passed on"
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim apply",
    "words": [],
    "options": [
      {
        "names": [
          "-f",
          "--filename"
        ],
        "help": "file, directory or - (repeatable)",
        "values": []
      },
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace of objects that name none",
        "values": []
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim delete",
    "words": [],
    "options": [
      {
        "names": [
          "-f",
          "--filename"
        ],
        "help": "the objects of these manifests (repeatable)",
        "values": []
      },
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-l",
          "--selector"
        ],
        "help": "KEY=VALUE[,KEY=VALUE]",
        "values": []
      },
      {
        "names": [
          "--all"
        ],
        "help": "all objects of the kind in the namespace"
      },
      {
        "names": [
          "--grace-period"
        ],
        "help": "instead of the pod's own; 0 = at once",
        "values": []
      },
      {
        "names": [
          "--wait"
        ],
        "help": "false: return before the pods are gone",
        "values": []
      },
      {
        "names": [
          "--no-wait"
        ],
        "help": "the same as --wait=false"
      },
      {
        "names": [
          "--now"
        ],
        "help": "with a grace period of 1 second"
      },
      {
        "names": [
          "--force"
        ],
        "help": "accepted for kubectl's sake: say --grace-period=0"
      },
      {
        "names": [
          "--ignore-not-found"
        ],
        "help": "what is not there counts as deleted"
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim annotate",
    "words": [],
    "options": [
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-l",
          "--selector"
        ],
        "help": "KEY=VALUE[,KEY=VALUE]",
        "values": []
      },
      {
        "names": [
          "--all"
        ],
        "help": "all objects of the kind in the namespace"
      },
      {
        "names": [
          "--overwrite"
        ],
        "help": "change a value that is set already"
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim label",
    "words": [],
    "options": [
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-l",
          "--selector"
        ],
        "help": "KEY=VALUE[,KEY=VALUE]",
        "values": []
      },
      {
        "names": [
          "--all"
        ],
        "help": "all objects of the kind in the namespace"
      },
      {
        "names": [
          "--overwrite"
        ],
        "help": "change a value that is set already"
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim scale",
    "words": [],
    "options": [
      {
        "names": [
          "--replicas"
        ],
        "help": "how many",
        "values": []
      },
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim get",
    "words": [],
    "options": [
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-A",
          "--all-namespaces"
        ],
        "help": "in every namespace"
      },
      {
        "names": [
          "-l",
          "--selector"
        ],
        "help": "KEY=VALUE[,KEY=VALUE]",
        "values": []
      },
      {
        "names": [
          "-o",
          "--output"
        ],
        "help": "output format",
        "values": [
          "table",
          "wide",
          "json",
          "yaml",
          "name"
        ]
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim wait",
    "words": [],
    "options": [
      {
        "names": [
          "--for"
        ],
        "help": "condition=Ready|Available|Complete|Failed, or delete",
        "values": []
      },
      {
        "names": [
          "--timeout"
        ],
        "help": "give up after this long",
        "values": []
      },
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-l",
          "--selector"
        ],
        "help": "KEY=VALUE[,KEY=VALUE]",
        "values": []
      },
      {
        "names": [
          "--all"
        ],
        "help": "all objects of the kind in the namespace"
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim kill",
    "words": [],
    "options": [
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace of the pod",
        "values": []
      },
      {
        "names": [
          "-l",
          "--selector"
        ],
        "help": "KEY=VALUE[,KEY=VALUE]",
        "values": []
      },
      {
        "names": [
          "--all"
        ],
        "help": "all pods in the namespace"
      },
      {
        "names": [
          "--stay-dead"
        ],
        "help": "agent or control: do not start it again until `revive`"
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim revive",
    "words": [],
    "options": [
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim logs",
    "words": [],
    "options": [
      {
        "names": [
          "-n",
          "--namespace"
        ],
        "help": "namespace",
        "values": []
      },
      {
        "names": [
          "-c",
          "--container"
        ],
        "help": "which container; the first by default",
        "values": []
      },
      {
        "names": [
          "-f",
          "--follow"
        ],
        "help": "go on until the pod or the simulation is gone, or Ctrl-C"
      },
      {
        "names": [
          "--tail"
        ],
        "help": "only the last lines; -1 = all that is kept",
        "values": []
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  },
  {
    "path": "sim status",
    "words": [],
    "options": [
      {
        "names": [
          "-o",
          "--output"
        ],
        "help": "output format",
        "values": [
          "table",
          "json"
        ]
      },
      {
        "names": [
          "-h",
          "--help"
        ],
        "help": "display help for command"
      }
    ]
  }
];
