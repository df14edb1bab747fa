"""Exports as providers write them, byte for byte in shape: keys, quotes, order, byte order marks. The numbers are ours.

Where a provider documents the file, the shape is from there; the others follow public descriptions of real files.
"""

from __future__ import annotations

import io
import zipfile

OPENAI_USAGE_JSON = b"""{
  "object": "page",
  "data": [
    {
      "object": "bucket",
      "start_time": 1794096000,
      "end_time": 1794182400,
      "results": [
        {
          "object": "organization.usage.completions.result",
          "input_tokens": 1500,
          "output_tokens": 500,
          "input_cached_tokens": 800,
          "input_cache_write_tokens": 100,
          "input_audio_tokens": 0,
          "output_audio_tokens": 0,
          "num_model_requests": 5,
          "project_id": "proj_abc",
          "user_id": null,
          "api_key_id": null,
          "model": "gpt-5.5-2026-04-23",
          "batch": false,
          "service_tier": "default"
        },
        {
          "object": "organization.usage.completions.result",
          "input_tokens": 90,
          "output_tokens": 10,
          "input_cached_tokens": 0,
          "num_model_requests": 1,
          "project_id": "proj_abc",
          "user_id": null,
          "api_key_id": null,
          "model": "gpt-5.5-2026-04-23",
          "batch": true,
          "service_tier": null
        }
      ]
    },
    {
      "object": "bucket",
      "start_time": 1794182400,
      "end_time": 1794268800,
      "results": []
    }
  ],
  "has_more": true,
  "next_page": "page_AAAAAGdGxdEiJdKOAAAAAGcqsYA="
}
"""

OPENAI_COSTS_JSON = b"""{
  "object": "page",
  "data": [
    {
      "object": "bucket",
      "start_time": 1794096000,
      "end_time": 1794182400,
      "results": [
        {
          "object": "organization.costs.result",
          "amount": {"value": 0.0034000000000000002, "currency": "usd"},
          "line_item": "gpt-5.5-2026-04-23, input",
          "project_id": null,
          "api_key_id": null,
          "quantity": 0.0007
        },
        {
          "object": "organization.costs.result",
          "amount": {"value": "0.0150", "currency": "usd"},
          "line_item": "gpt-5.5-2026-04-23, output",
          "project_id": null
        },
        {
          "object": "organization.costs.result",
          "amount": {"value": 0.02, "currency": "usd"},
          "line_item": "web search tool calls",
          "project_id": null
        }
      ]
    }
  ],
  "has_more": false,
  "next_page": null
}
"""

OPENAI_USAGE_CSV = (
    b"start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,"
    b"service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_text_tokens,"
    b"output_text_tokens,input_cached_text_tokens,input_audio_tokens,input_cached_audio_tokens,output_audio_tokens,"
    b"input_image_tokens,input_cached_image_tokens,output_image_tokens\n"
    b"1794096000,1794096060,2026-11-08T00:00:00+00:00,2026-11-08T00:01:00+00:00,proj_abc,3.0,,key_3QRC,"
    b"gpt-5.5-2026-04-23,False,default,7162,1419,1280,5882,5882,1419,1280,0,0,0,0,0,0\n"
    b"1794096060,1794096120,2026-11-08T00:01:00+00:00,2026-11-08T00:02:00+00:00,,,,,,,,,,,,,,,,,,,,\n"
)

OPENAI_COST_CSV = (
    b"start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,"
    b"user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source\n"
    b"1794096000,1794182400,2026-11-08T00:00:00+00:00,2026-11-09T00:00:00+00:00,0.0184,usd,,,"
    b'"gpt-5.5-2026-04-23, output",,,proj_abc,org-x,Default,Personal,,\n'
    b"1794182400,1794268800,2026-11-09T00:00:00+00:00,2026-11-10T00:00:00+00:00,,,,,,,,,,,,,\n"
)

ANTHROPIC_USAGE_JSON = b"""{
  "data": [
    {
      "starting_at": "2026-11-08T00:00:00Z",
      "ending_at": "2026-11-09T00:00:00Z",
      "results": [
        {
          "uncached_input_tokens": 1500,
          "cache_creation": {
            "ephemeral_1h_input_tokens": 1000,
            "ephemeral_5m_input_tokens": 500
          },
          "cache_read_input_tokens": 200,
          "output_tokens": 500,
          "server_tool_use": {
            "web_search_requests": 10
          },
          "api_key_id": "apikey_01Rj2N8SVvo6BePZj99NhmiT",
          "workspace_id": "wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ",
          "model": "claude-sonnet-4-20250514",
          "service_tier": "standard",
          "context_window": "0-200k"
        }
      ]
    }
  ],
  "has_more": false,
  "next_page": null
}
"""

ANTHROPIC_COST_JSON = b"""{
  "data": [
    {
      "starting_at": "2026-11-08T00:00:00Z",
      "ending_at": "2026-11-09T00:00:00Z",
      "results": [
        {
          "currency": "USD",
          "amount": "123.78912",
          "workspace_id": "wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ",
          "description": "Claude Sonnet 4 Usage - Input Tokens",
          "cost_type": "tokens",
          "context_window": "0-200k",
          "model": "claude-sonnet-4-20250514",
          "service_tier": "standard",
          "token_type": "uncached_input_tokens"
        },
        {
          "currency": "USD",
          "amount": "10",
          "workspace_id": null,
          "description": "Web Search Usage",
          "cost_type": "web_search",
          "context_window": null,
          "model": null,
          "service_tier": null,
          "token_type": null
        }
      ]
    }
  ],
  "has_more": false,
  "next_page": null
}
"""

ANTHROPIC_USAGE_CSV = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens,web_search_count,inference_geo,speed\n"
    "2026-11-08,claude-opus-4-7,app,Default,standard,≤ 200k,46981,15969,7,100,16932,0,global,\n"
    "2026-11-08,claude-opus-4-7,app,Default,standard,≤ 200k,10,0,0,0,20,0,global,fast\n"
    "2026-11-09,claude-haiku-4-5-20251001,app,Default,batch,≤ 200k,622,0,0,0,423,0,not_available,\n"
).encode()

ANTHROPIC_COST_CSV = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,"
    "inference_geo,speed,api_key_id,api_key_status\n"
    "2026-11-08,Claude Opus 4.7,Default,app,message,≤ 200k,input_no_cache,0.05,0.05,token,global,,apikey_01A,active\n"
    "2026-11-08,Claude Opus 4.7,Default,app,message,≤ 200k,output,0.02,0.02,token,global,,apikey_01A,active\n"
    "2026-11-08,Web Search,Default,app,message,,,0.10,0.10,web_search,global,,apikey_01A,active\n"
).encode()

DEEPSEEK_AMOUNT = (
    "\ufeffuser_id,utc_date,model,api_key_name,api_key,type,price,amount\r\n"
    'uuid-1,20261108,deepseek-v4-pro,"Team, Primary",sk-1bb****7cee7,request_count,,3\r\n'
    'uuid-1,20261108,deepseek-v4-pro,"Team, Primary",sk-1bb****7cee7,output_tokens,0.00000396,200\r\n'
    'uuid-1,20261108,deepseek-v4-pro,"Team, Primary",sk-1bb****7cee7,input_cache_hit_tokens,0.000000044,1000\r\n'
    'uuid-1,20261108,deepseek-v4-pro,"Team, Primary",sk-1bb****7cee7,input_cache_miss_tokens,0.00000132,500\r\n'
).encode()

DEEPSEEK_AMOUNT_HOURS = (
    b"user_id,start_time_iso,end_time_iso,model,api_key_name,api_key,type,price,amount\n"
    b"uuid-1,2026-11-08T08:00:00+08:00,2026-11-08T09:00:00+08:00,deepseek-v4-pro,k,sk-x,output_tokens,0.00000396,200\n"
)

DEEPSEEK_COST = (
    b"user_id,utc_date,model,wallet_type,cost,currency\n"
    b"uuid-1,2026-11-08,deepseek-v4-pro,Paid,0.0014960000000000,USD\n"
    b"uuid-1,2026-11-08,deepseek-v4-pro,Granted,7.58,CNY\n"
)

OPENROUTER_ACTIVITY = b"""{"data": [{"date": "2026-11-08", "model": "openai/gpt-4.1", "model_permaslug":
"openai/gpt-4.1-2025-04-14", "endpoint_id": "550e8400-e29b-41d4-a716-446655440000", "provider_name": "OpenAI",
"usage": 0.015, "byok_usage_inference": 0.012, "requests": 5, "prompt_tokens": 50, "completion_tokens": 125,
"reasoning_tokens": 25}]}"""

OPENROUTER_GENERATIONS = (
    b"generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,byok_usage_inference,"
    b"tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,cancelled,"
    b"streamed,user,finish_reason_raw,finish_reason_normalized,generation_time_ms,time_to_first_token_ms,"
    b"api_key_disabled,api_key_name,app_name\n"
    b"gen-1782618417-AAA,2026-11-08 03:46:57.713,0.0123,0,0,0,0,10389,137,12,9000,openai/gpt-oss-120b,Groq,standard,"
    b"false,true,,stop,stop,2940,1016,false,prod,app\n"
    b"gen-1782618418-BBB,2026-11-08 03:47:57.713,0,0,0,0,0,10,1,0,0,openai/gpt-oss-120b,Groq,free,"
    b"false,true,,stop,stop,2940,1016,false,prod,app\n"
)

OPENROUTER_DAILY = (
    b"Date,Slug,Usage,BYOK Usage,Requests,Prompt Tokens,Completion Tokens,Reasoning Tokens\n"
    b'"2026-11-08 00:00:00","anthropic/claude-opus-4.7","430.07","0","4115","70965665","3009973","0"\n'
)

GOOGLE_REPORT = (
    b"Date,Service description,Service ID,SKU description,SKU ID,Usage amount,Usage unit,List cost ($),"
    b"Negotiated savings ($),Savings programmes ($),Other savings ($),Unrounded subtotal ($),Subtotal ($)\n"
    b"2026-11-08,Gemini API,AEFD-7695-64FA,Generate content input token count gemini 3.1 flash lite text,2156-A528,"
    b'"100,000",count,0.08,0.00,0.00,0.00,0.075000,0.08\n'
    b"2026-11-08,Gemini API,AEFD-7695-64FA,Generate content output token count gemini 3.1 flash lite text batch,2156,"
    b"2000,count,0.38,0.00,0.00,0.00,0.375000,0.38\n"
    b"2026-11-08,Gemini API,AEFD-7695-64FA,Generate content cached input token count gemini 3.1 flash lite text,2156,"
    b"50,count,0.01,0.00,0.00,0.00,0.005,0.01\n"
    b"2026-11-08,Gemini API,AEFD-7695-64FA,Grounding with Google Search,77,3,count,0.10,0.00,0.00,0.00,0.105,0.11\n"
    b",,,,,,,,,,Subtotal,0.560000,0.57\n"
)


def deepseek_zip() -> bytes:
    """The archive that DeepSeek's page hands out."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("usage_data_2026_11/amount-2026-11.csv", DEEPSEEK_AMOUNT)
        archive.writestr("usage_data_2026_11/cost-2026-11.csv", DEEPSEEK_COST)
    return packed.getvalue()


FILES = {
    "openai-usage-json": OPENAI_USAGE_JSON,
    "openai-costs-json": OPENAI_COSTS_JSON,
    "openai-usage-csv": OPENAI_USAGE_CSV,
    "openai-cost-csv": OPENAI_COST_CSV,
    "anthropic-usage-json": ANTHROPIC_USAGE_JSON,
    "anthropic-cost-json": ANTHROPIC_COST_JSON,
    "anthropic-usage-csv": ANTHROPIC_USAGE_CSV,
    "anthropic-cost-csv": ANTHROPIC_COST_CSV,
    "deepseek-amount": DEEPSEEK_AMOUNT,
    "deepseek-cost": DEEPSEEK_COST,
    "openrouter-activity": OPENROUTER_ACTIVITY,
    "openrouter-generations": OPENROUTER_GENERATIONS,
    "openrouter-daily": OPENROUTER_DAILY,
    "google-report": GOOGLE_REPORT,
}
