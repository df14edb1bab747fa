"""The thinnest whole path: a real client library, the gateway, the double."""

import anthropic
import openai

from harness import KEY, deployment, provider, running_gateway
from turnout.double import Double


def test_both_sdks_get_an_answer_and_each_request_is_recorded(tmp_path):
    """A chat client and a messages client talk to one chat-speaking upstream."""
    with Double() as double:
        config = provider("up", double.url + "/v1") + deployment("m1", "up", "echo-1")
        with running_gateway(tmp_path, config) as gateway:
            chat = openai.OpenAI(base_url=gateway.url + "/v1", api_key=KEY)
            answer = chat.chat.completions.create(model="m1", messages=[{"role": "user", "content": "hello"}])
            messages = anthropic.Anthropic(base_url=gateway.url, api_key=KEY)
            told = messages.messages.create(model="m1", max_tokens=50, messages=[{"role": "user", "content": "hello"}])

            assert "hello" in (answer.choices[0].message.content or "")
            assert "hello" in told.content[0].text
            records = gateway.requests(wait_for=2)
    assert [record["outcome"] for record in records] == ["ok", "ok"]
