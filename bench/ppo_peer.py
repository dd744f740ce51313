#!/usr/bin/python3
"""The peer of bench/ppo.c: the same model, episodes and work in a straightforward PPO loop in PyTorch (Debian:
python3-torch), fp32 on the CPU.

usage: OPENBLAS_NUM_THREADS=1 bench/ppo_peer.py [THREADS [UPDATES [FROZEN [lean]]]]
The model of lm_peer.py with its fused GELU and preallocated cache; all 256 responses decoded at once, equal lengths (so
nothing is padded), value head on the policy's trunk, the trunk's activations of FROZEN blocks computed once an update
and shared. As in TRL the logits of all positions are computed and those of the response taken; "lean" projects the
response's positions only, as ppo.c does. Results are those of ppo.c in kind: sampling at temperature 1, k1 rewards,
GAE, whitening, both clipped losses, 4 epochs of 4 minibatches, clipping, Adam."""
import copy
import math
import sys
import time

import torch

from lm_peer import Gpt, SHAPES

EPISODES, PROMPT, NEW, EPOCHS, MINIBATCHES, BETA, LAMBDA, CLIP = 256, 16, 24, 4, 4, 0.1, 0.95, 0.2


class Policy(torch.nn.Module):
    def __init__(self, frozen, lean):
        super().__init__()
        vocabulary, layers, d, self.heads = SHAPES["small"]
        self.gpt, self.value = Gpt(vocabulary, layers, d, self.heads), torch.nn.Linear(d, 1)
        self.frozen, self.lean = frozen, lean
        torch.nn.init.zeros_(self.value.weight)
        if frozen:
            for part in [self.gpt.wte, self.gpt.wpe, *self.gpt.blocks[:frozen]]:
                part.requires_grad_(False)

    def trunk(self, tokens):
        x = self.gpt.wte(tokens) + self.gpt.wpe(torch.arange(tokens.shape[1]))
        for block in self.gpt.blocks[:self.frozen]:
            x = block(x)
        return x

    def top(self, x, tokens):
        """log-probabilities and entropies of the response tokens, and values, from the trunk's output."""
        for block in self.gpt.blocks[self.frozen:]:
            x = block(x)
        hidden = self.gpt.ln_f(x)
        if self.lean:
            hidden = hidden[:, PROMPT - 1:-1]
            logits = hidden @ self.gpt.wte.weight.T
        else:
            logits = (hidden @ self.gpt.wte.weight.T)[:, PROMPT - 1:-1]
            hidden = hidden[:, PROMPT - 1:-1]
        logp = logits.log_softmax(-1)
        chosen = logp.gather(2, tokens[:, PROMPT:, None]).squeeze(2)
        return chosen, -(logp.detach().exp() * logp.detach()).sum(2), self.value(hidden).squeeze(2)


@torch.no_grad()
def generate(policy, prompts):
    gpt, layers, d = policy.gpt, len(policy.gpt.blocks), policy.gpt.wte.weight.shape[1]
    caches = [[torch.zeros(EPISODES, policy.heads, PROMPT + NEW, d // policy.heads) for _ in range(2)]
              for _ in range(layers)]
    new, past, out = prompts, 0, [prompts]
    for _ in range(NEW):
        logits = gpt.hidden(new, caches, past)[:, -1] @ gpt.wte.weight.T
        past += new.shape[1]
        new = logits.softmax(-1).multinomial(1)
        out.append(new)
    return torch.cat(out, 1)


@torch.no_grad()
def prepare(policy, reference, tokens, scores):
    size = EPISODES // MINIBATCHES
    trunk, old, ref, values = [], [], [], []
    for batch in tokens.split(size):
        x = policy.trunk(batch)
        logp, _, value = policy.top(x, batch)
        trunk.append(x)
        old.append(logp)
        values.append(value)
        ref.append(reference.top(x if policy.frozen else reference.trunk(batch), batch)[0])
    trunk, old, ref, values = map(torch.cat, (trunk, old, ref, values))
    rewards = -BETA * (old - ref)
    rewards[:, -1] += scores
    advantages, last = torch.zeros_like(rewards), 0
    for t in reversed(range(NEW)):
        last = rewards[:, t] + (values[:, t + 1] if t + 1 < NEW else 0) - values[:, t] + LAMBDA * last
        advantages[:, t] = last
    returns = advantages + values
    advantages = (advantages - advantages.mean()) / (advantages.var(unbiased=False) + 1e-8).sqrt()
    return trunk, old, values, advantages, returns


def train(policy, adam, tokens, rollout):
    trunk, old, values, advantages, returns = rollout
    for _ in range(EPOCHS):
        for part in torch.randperm(EPISODES).split(EPISODES // MINIBATCHES):
            x = trunk[part] if policy.frozen else policy.trunk(tokens[part])
            logp, _, value = policy.top(x, tokens[part])
            ratio = (logp - old[part]).exp()
            a, r, v = advantages[part], returns[part], values[part]
            clipped = v + (value - v).clamp(-CLIP, CLIP)
            loss = torch.max(-a * ratio, -a * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
            loss = loss + 0.1 * 0.5 * torch.max((value - r) ** 2, (clipped - r) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(adam.param_groups[0]["params"], 1)
            adam.step()


class Phases:
    """Seconds of each phase of an update, by the wall clock and of CPU."""
    def __init__(self):
        self.wall, self.cpu = [], []

    def run(self, work, *arguments):
        begin = time.monotonic(), time.process_time()
        result = work(*arguments)
        self.wall.append(time.monotonic() - begin[0])
        self.cpu.append(time.process_time() - begin[1])
        return result


def show(by, phases):
    generating, preparing, training = phases
    every = EPISODES * (PROMPT + NEW)
    print(f"{by:<11s} {EPISODES / sum(phases):7.2f} episodes/s; tokens/s: generate {EPISODES * NEW / generating:.0f}, "
          f"prepare {every / preparing:.0f}, train {EPOCHS * every / training:.0f}; "
          f"seconds {generating:.3f} + {preparing:.3f} + {training:.3f} = {sum(phases):.3f}")


def main():
    threads, updates, frozen = (int(sys.argv[i + 1]) if len(sys.argv) > i + 1 else d for i, d in enumerate((2, 3, 0)))
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    policy = Policy(frozen, "lean" in sys.argv)
    reference = copy.deepcopy(policy)
    adam = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad], lr=2e-4, eps=1e-5)
    prompts = torch.randint(SHAPES["small"][0], (EPISODES, PROMPT))
    wall, cpu = [math.inf], [math.inf]
    print(f"{threads} thread(s), PyTorch {torch.__version__}, {frozen} frozen blocks")
    for _ in range(updates):
        phases = Phases()
        tokens = phases.run(generate, policy, prompts)
        scores = (tokens[:, PROMPT:] % 2 == 0).float().mean(1)
        rollout = phases.run(prepare, policy, reference, tokens, scores)
        phases.run(train, policy, adam, tokens, rollout)
        wall, cpu = min(wall, phases.wall, key=sum), min(cpu, phases.cpu, key=sum)
    show("wall clock", wall)
    show("CPU seconds", cpu)


main()
